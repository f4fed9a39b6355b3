"""Where model-written code runs."""

from ostinato.sandbox.choose import open_sandbox
from ostinato.sandbox.interface import Limits, Outcome, Sandbox, SandboxError, SandboxFileError, SandboxUnavailable

__all__ = ["Limits", "Outcome", "Sandbox", "SandboxError", "SandboxFileError", "SandboxUnavailable", "open_sandbox"]
