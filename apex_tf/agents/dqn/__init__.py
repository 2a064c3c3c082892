"""Ape-X DQN: double, dueling, multi-step (Horgan et al. 2018, section 4)."""
