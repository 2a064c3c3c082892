"""The agents: what differs between them, and nothing else."""
