"""What we ask of a Dockerfile, as complaints about one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_PINNED = re.compile(r"[a-z0-9./-]+:[a-z0-9_.-]*\d+\.\d+\.\d+[a-z0-9_.-]*(@sha256:[0-9a-f]{64})?")
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|_KEY\b", re.IGNORECASE)


class Instruction(NamedTuple):
    """One instruction: `RUN`, and what follows it."""

    name: str
    text: str


class Stage(NamedTuple):
    """What follows one FROM."""

    name: str
    base: str
    own: Sequence[Instruction]


def instructions(text: str) -> Iterator[Instruction]:
    """Yield what *text* tells to do: lines that go on are one, comments are none."""
    lines = (line for line in text.splitlines() if not re.match(r"\s*#", line))
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    for line in filter(str.strip, whole.splitlines()):
        name, _, rest = line.strip().partition(" ")
        yield Instruction(name.upper(), " ".join(rest.split()))


def stages(text: str) -> list[Stage]:
    """Return the stages of *text* in their order."""
    found: list[Stage] = []
    for each in instructions(text):
        if each.name == "FROM":
            base, _, name = re.sub(" as ", " AS ", each.text).partition(" AS ")
            found.append(Stage(name or str(len(found)), base, []))
        elif found:
            found[-1].own.append(each)  # type: ignore[attr-defined]
    return found


def whole(stage: Stage, named: Mapping[str, Stage]) -> list[Instruction]:
    """Return what makes *stage*, with all that it is built on."""
    before = whole(named[stage.base], named) if stage.base in named else []
    return [*before, *stage.own]


def complaints(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile."""
    found = stages(text)
    named = {stage.name: stage for stage in found}
    return [*_everywhere(found, named), *(_at_the_end(whole(found[-1], named)) if found else [])]


def _everywhere(found: Sequence[Stage], named: Mapping[str, Stage]) -> Iterator[str]:
    for stage in found:
        if stage.base not in named and not _PINNED.fullmatch(stage.base):
            yield f"FROM {stage.base}: not pinned by its full version"
        for name, text in stage.own:
            if name == "ADD":
                yield f"ADD {text}: COPY says what it does"
            if name in ("ENV", "ARG") and _SECRET.search(text):
                yield f"{name} {text}: a secret stays in the image"
            if name == "RUN":
                yield from _run(text)


def _run(text: str) -> Iterator[str]:
    if re.search(r"\b(curl|wget)\b|\bgit clone\b", text):
        yield f"RUN {text}: fetches what nobody has pinned"
    if "apt-get install" in text and "/var/lib/apt/lists" not in text:
        yield f"RUN {text}: leaves apt's lists behind"
    if re.search(r"\b(sudo|chmod (-R )?777)\b", text):
        yield f"RUN {text}: gives rights away"
    for command in re.split("&&|;", text):
        if re.search(r"\bpip\b.* (install|wheel)\b", command) and not re.search(
            r"--require-hashes|--no-deps --no-(index|build-isolation)", command
        ):
            yield f"RUN{command.rstrip()}: packages without hashes"


def _at_the_end(made: Sequence[Instruction]) -> Iterator[str]:
    users = [(place, text) for place, (name, text) in enumerate(made) if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1][1]):
        yield "USER: none, root, or a name that another system cannot know"
    elif any(name == "RUN" for name, _ in made[users[-1][0] :]):
        yield "RUN after USER: what it makes can be changed by who serves"
    for wanted in ("HEALTHCHECK", "ENTRYPOINT", "CMD"):
        texts = [text for name, text in made if name == wanted]
        if not texts:
            yield f"{wanted}: none"
        elif not _is_list(texts[-1].partition("CMD ")[2] if wanted == "HEALTHCHECK" else texts[-1]):
            yield f"{wanted} {texts[-1]}: a shell would stand between"
    if any(name == "COPY" and text.split()[0] in (".", "./") for name, text in made):
        yield "COPY .: takes whatever lies there"


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False
