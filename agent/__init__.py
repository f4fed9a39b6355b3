"""The agent, the loop at its heart, and its front ends; `ostinato` itself has the public names."""
