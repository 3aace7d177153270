"""TorchRL steps an AEC environment whose actions are text: copy this file beside your program.

TorchRL 0.14.1 reads observations that are text without help. Missing in its `torchrl/envs/libs/pettingzoo.py` are:

- `_extract_nested_with_index`, which picks one agent's action out of its group's, takes arrays and dicts only. For
  text it raises NotImplementedError ("Invalid type of data NonTensorStack").
- `PettingZooWrapper._step` writes every key of `infos` into entries that it made at the first reset. A key that comes
  later, such as `correct` after a verdict, raises TypeError ("'NoneType' object does not support item assignment").

`make clients` tells when TorchRL needs neither of the two any more.
"""

from typing import Any

from tensordict import TensorDictBase
from torchrl.envs.libs.pettingzoo import PettingZooWrapper


class TextPettingZooWrapper(PettingZooWrapper):
    """TorchRL's wrapper for PettingZoo, for AEC environments with text actions.

        wrapped = TextPettingZooWrapper(marft_envs.make("math/reason_act-v0"), use_mask=True)
        wrapped.rollout(100, policy)

    A policy writes one text per agent of a group: `data["actor_0", "action"] = ["12"]`. The mask says whose turn it is.

    *Deviates* from TorchRL's: `info` has the keys that `infos` had at the reset, and no later ones; for these ask the
    environment itself (`env.info`).
    """

    def _step_aec(self, tensordict: TensorDictBase) -> tuple[dict[str, Any], ...]:
        env = self._env
        speaker = env.agent_selection
        infos = {}
        for group, agents in self.group_map.items():
            if speaker in agents:
                texts = tensordict.get((group, "action")).tolist()
                env.step(texts[agents.index(speaker)])
                break
        for group, agents in self.group_map.items():
            known = self.observation_spec[group, "info"].keys()
            infos.update({agent: {key: env.infos[agent][key] for key in known} for agent in agents})
        observations = {agent: env.observe(agent) for agent in self.possible_agents}
        return observations, env.rewards, env.terminations, env.truncations, infos
