"""The opening of a conversation: what the model is told first, and the record of how it is run."""

import math
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime

from ostinato import __version__
from ostinato.agent.steering import Steering
from ostinato.agent.trajectory import FORMAT
from ostinato.engine.interface import Engine, Sampling
from ostinato.harmony import DeveloperContent, Message, ResponseFormat, SystemContent, Tokenizer
from ostinato.tools import Toolbox


def opening_messages(
    toolbox: Toolbox,
    steering: Steering,
    *,
    instructions: str | None,
    current_date: date,
    response_format: ResponseFormat | None,
) -> Iterator[Message]:
    """Make the system message, and the developer's if there is something to say in it."""
    yield Message.system(
        SystemContent(
            current_date=current_date.isoformat(),
            reasoning_effort=steering.effort.told,
            tools=toolbox.system_namespaces,
        )
    )
    functions = toolbox.function_namespaces
    formats = () if response_format is None else (response_format,)
    if instructions is not None or functions or formats:
        yield Message.developer(DeveloperContent(instructions=instructions, tools=functions, response_formats=formats))


def first_record(engine: Engine, tokenizer: Tokenizer, toolbox: Toolbox, steering: Steering) -> dict[str, object]:
    """Say what is run and where, for the trajectory; sampling and budget are told beside it."""
    return {
        "format": FORMAT,
        "ostinato": __version__,
        "python": platform.python_version(),
        "engine": engine.name,
        "vocabulary": tokenizer.encoding.name,
        "fingerprint": tokenizer.fingerprint,
        "effort": steering.effort,
        "is_constrained": steering.is_constrained,
        "analysis_limit": steering.analysis_limit,
        "tools": toolbox.recipients,
        "time": datetime.now(UTC).isoformat(),
    }


def recorded(sampling: Sampling) -> dict[str, object]:
    """Return a sampling as JSON has it, which knows no infinity."""
    bias = {number: str(change) if math.isinf(change) else change for number, change in sampling.logit_bias.items()}
    return asdict(sampling) | {"logit_bias": bias}
