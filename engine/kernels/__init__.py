"""Compiled kernels: the whole model on the CPU, without torch between its operations."""
