"""Ape-X (Horgan et al. 2018) on Reverb, Acme, TensorFlow and Launchpad."""

__version__ = '0.1.0'
