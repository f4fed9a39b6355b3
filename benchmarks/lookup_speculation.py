"""Estimate what prompt-lookup speculation would bring: replay real rewrites, and weigh them with measured steps.

    python benchmarks/lookup_speculation.py REPOSITORY [--commits 60] [--costs 1,1.44,1.8,2.17]

An agent that edits a file often writes it anew. For each changed Python file of a git history the old text is taken as
the prompt and the new one as the answer; at each place the last ids are looked up in what came before, and what
followed there is proposed. How many proposals an answer confirms is exact, whatever the model. `--costs` is the time of
a step that verifies 0, 1, 2, … proposals, relative to a plain one; `engine_speed.py` and the shape give it. The text
that a model composes freely, such as reasoning, confirms hardly any, and is not counted here.
"""

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ostinato.harmony import Tokenizer


def rewrites(repository: Path, commits: int) -> Iterator[tuple[str, str]]:
    """Yield the text of each changed Python file before and after each of the last commits."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", repository, *words], capture_output=True, text=True, check=False).stdout

    for commit in git("log", "--format=%H", "--no-merges", f"-{commits}").split():
        for name in git("diff", "--name-only", "--diff-filter=M", f"{commit}~", commit, "--", "*.py").split():
            yield git("show", f"{commit}~:{name}"), git("show", f"{commit}:{name}")


def steps(prompt: list[int], answer: list[int], match: int, most: int) -> list[tuple[int, int]]:
    """Return for each step how many ids were proposed and how many confirmed; `most` adapts to what is confirmed."""
    ids, found, allowed = list(prompt), [], most
    places = {tuple(ids[i : i + match]): i + match for i in range(len(ids) - match)}
    position = 0
    while position < len(answer):
        place = places.get(tuple(ids[-match:]))
        proposed = ids[place : place + allowed] if place is not None else []
        confirmed = 0
        while confirmed < len(proposed) and answer[position + confirmed : position + confirmed + 1] == [
            proposed[confirmed]
        ]:
            confirmed += 1
        found.append((len(proposed), confirmed))
        if proposed:
            allowed = min(most, allowed * 2) if confirmed == len(proposed) else max(1, confirmed)
        for token in answer[position : position + confirmed + 1]:
            ids.append(token)
            places[tuple(ids[-match - 1 : -1])] = len(ids) - 1
        position += confirmed + 1
    return found


def main() -> None:
    """Replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--commits", type=int, default=60)
    parser.add_argument("--costs", default="1,1.44,1.82,2.17,2.45,2.72,2.96,3.17")
    options = parser.parse_args()
    costs = [float(cost) for cost in options.costs.split(",")]
    tokenizer = Tokenizer.o200k_harmony()
    texts = rewrites(options.repository, options.commits)
    pairs = [(tokenizer.encode(old), tokenizer.encode(new)) for old, new in texts]
    answered = sum(len(new) for _, new in pairs)
    print(f"{len(pairs)} rewrites, {answered} ids")
    print("| ids matched | most proposed | ids a step | faster by |\n|---|---|---|---|")
    for match in (2, 3, 5):
        for most in (1, 3, len(costs) - 1):
            every = [step for old, new in pairs for step in steps(old, new, match, most)]
            time = sum(costs[proposed] for proposed, _ in every)
            print(f"| {match} | {most} | {answered / len(every):.2f} | {answered / time:.2f}x |")


if __name__ == "__main__":
    main()
