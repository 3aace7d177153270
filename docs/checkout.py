"""Makes scripts of this folder describe the checkout in which they lie, whatever else is installed.

An editable installation may be of another checkout, as with several work trees and one environment. So the scripts
import this module before `marft_envs`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
