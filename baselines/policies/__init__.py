"""Who acts: models by name, teams of adapters on one base, critics, engines that generate."""
