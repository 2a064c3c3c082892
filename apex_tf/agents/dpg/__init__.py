"""Ape-X DPG: a deterministic actor-critic (Horgan et al. 2018, section 3.2)."""
