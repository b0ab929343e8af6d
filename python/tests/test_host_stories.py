# SPDX-License-Identifier: MIT
"""The stories of core/reload/testdata, told to PluginHost: the outcomes are those of the engine, word for word.

The README there says how a host tells them. In Python an exception's text begins with its type, so that a reason that
the story gives is looked for as "Told: reason".
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND
from hosting import replace
from qtforge.monitoring import (
    Event,
    EventKind,
    HotReloadError,
    Plugin,
    PluginHost,
    PluginOutcome,
    PluginSet,
    PluginSpec,
    StepLimits,
    _abi_hosts,
    _steps,
)

STORIES = Path(__file__).resolve().parents[2] / "core" / "reload" / "testdata"
MOST_ADVANCED = 4.0  # seconds
STEPS = ("load", "init", "save", "exit", "unload", "restore", "prepare")
TIMED = ("is tried again in", "did not end within", "did not return within")
SOURCE = """
import sys
plugin, generation = "{plugin}", {generation}
story = sys.stories[{story}]
story.step("load", plugin, generation)
def plugin_init(needs):
    story.step("init", plugin, generation, needs)
def plugin_exit():
    story.step("exit", plugin, generation)
"""
STATE = """
def plugin_save_state():
    story.step("save", plugin, generation)
def plugin_restore_state(state):
    story.step("restore", plugin, generation)
"""


@dataclass
class Command:
    line: int
    words: list[str]
    input: list[str] = field(default_factory=list[str])
    prints: list[str] = field(default_factory=list[str])


@dataclass
class Story:
    name: str
    commands: list[Command]

    def why_not(self) -> str:
        """Why a host in Python does not tell it."""
        words = [command.words for command in self.commands]
        text = " ".join(word for command in self.commands for word in (*command.words, *command.input))
        if sum(seconds(w[1]) for w in words if w[0] == "advance") > MOST_ADVANCED:
            return "long"
        if any(w[0] == "close" or (w[0] == "step" and w[3] == "activate") for w in words):
            return "the end of the engine, and an activation that fails"
        if any(c.words[0] == "offer" and "is the active one" in "".join(c.prints) for c in self.commands):
            return "what a file gets again is another generation"
        if "stopped-go-back" in self.commands[0].words:
            return "a version that does not answer is not reported"
        return next((w for w in ("not-now=", "kept=", " prepare") if w in text), "")

    def is_timed(self) -> bool:
        return any(text in line for command in self.commands for line in command.prints for text in TIMED)


def seconds(text: str) -> float:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


def words_of(line: str) -> list[str]:
    """A line split at its blanks, but not within parentheses."""
    return re.findall(r"(?:\([^)]*\)|\S)+", line)


def read_stories() -> Iterator[Story]:
    for file in sorted(STORIES.glob("*.txt")):
        story: Story | None = None
        command: Command | None = None
        printed = False
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if not line:
                command = None
            elif command is None:
                if line.startswith("#"):
                    continue
                command, printed = Command(number, words_of(line)), False
                if command.words[0] == "story":
                    if story is not None:
                        yield story
                    story = Story(f"{file.name}:{number}", [])
                assert story is not None
                story.commands.append(command)
            elif line == "----" and not printed:
                printed = True
            elif printed:
                command.prints.append(line if command.words[0] == "story" else line.strip().partition("  ")[2])
            else:
                command.input.append(line)
        if story is not None:
            yield story


class Told(Exception):
    """How a step fails."""


@dataclass
class Script:
    fails: str = ""
    takes: float = 0.0
    hangs: bool = False
    always: bool = False
    returned: bool = False


class Teller:
    """Tells one story to a host of its own."""

    def __init__(self, story: Story, number: int, directory: Path) -> None:
        self.story, self.number, self.directory = story, number, directory
        self.changed = threading.Condition()
        self.said: list[str] = []
        self.heard: set[str] = set()
        self.stops = False  # a plugin has
        self.clock = 0.0
        self.over = False
        self.fits = "fits"
        self.reasons: set[str] = set()
        self.delivered: dict[str, int] = {}
        self.rejects: set[str] = set()
        self.plugins: dict[str, Plugin] = {}
        self.states: set[str] = set()
        self.scripts: dict[tuple[str, int, str], Script] = {}
        self.running: list[tuple[tuple[str, int, str], Script]] = []
        self.calls: list[tuple[int, int]] = []
        self.host = PluginHost(
            dispatch="thread",
            quiet_ms=10,
            snapshot_dir=directory / "snapshots",
            on_outcome=self.on_outcome,
            on_event=self.on_event,
            on_error=lambda _: None,  # what a plugin_exit() raises
            on_save_error="without_state" if self.has_word("state-optional") else "reject",
        )
        self.host.manager.set_validator(self.validate)

    def has_word(self, word: str) -> bool:
        return any(word in line.split() for command in self.story.commands for line in command.input)

    # ------------------------------------------------------------- what the host does

    def say(self, line: str) -> None:
        with self.changed:
            self.said.append(line)
            self.changed.notify_all()

    def on_outcome(self, outcome: PluginOutcome) -> None:
        self.say(f"> {outcome}")

    def on_event(self, event: Event) -> None:
        if event.kind is EventKind.FILE_CHANGED:
            with self.changed:
                self.delivered[event.plugin_id] = event.generation
                self.changed.notify_all()

    def validate(self, candidate: Any) -> object:
        if candidate.plugin_id in self.rejects:
            self.rejects.discard(candidate.plugin_id)
            return "its signature is not valid"
        return True

    def check(self, set_id: str) -> object:
        fits = self.fits
        self.say(f"check {set_id}: {fits}")
        return True if fits == "fits" else fits

    def step(self, kind: str, plugin: str, generation: int, needs: dict[str, Any] | None = None) -> None:
        """Called by a plugin: a step that ends as the story wants it."""
        more = ", ".join(f"{name} {module.generation}" for name, module in (needs or {}).items())
        key = (plugin, generation, kind)
        with self.changed:
            self.say(f"{kind} {plugin} {generation}" + (f" with {more}" if more else ""))
            script = self.scripts.get(key)
            if script is None:
                return
            if not script.always:
                del self.scripts[key]
            end = self.clock + script.takes
            running = (key, script)
            self.running.append(running)
            self.changed.wait_for(
                lambda: self.over or script.returned or not (script.hangs or self.clock < end), 3 * BOUND
            )
            self.running.remove(running)
            if script.fails:
                self.say(f"  {kind} {plugin} {generation}: {script.fails}")
                raise Told(script.fails)

    # ------------------------------------------------------------- what the story says

    def tell(self) -> str:
        """What went wrong."""
        where = 0
        try:
            for command in self.story.commands:
                where = command.line
                getattr(self, "do_" + command.words[0].replace("-", "_"))(command)
            # Where a plugin stops, the manager's rollback has it tried at once, too.
            assert [line for line in self.said if not (self.stops and line in self.heard)] == [], "also"
        except Exception as error:
            return f"{self.story.name}, line {where}: {type(error).__name__}: {error}; said: {self.said}"
        finally:
            with self.changed:
                self.over = True
                self.changed.notify_all()
            for _, handle in self.calls:
                self.host._native.release(handle)
            self.host.close()
        return ""

    def expect(self, command: Command) -> None:
        for line in command.prints:
            if line.startswith(("> ", "check ", "  ", *(f"{step} " for step in STEPS))):
                self.hear(line)
        if command.prints and command.prints[-1].startswith("quiesce "):
            self.await_hold(command.prints[-1].split()[1])

    def hear(self, line: str) -> None:
        wanted, all_of_them = {line}, line
        for reason in self.reasons:
            wanted.add(line.replace(reason, f"Told: {reason}"))
            all_of_them = all_of_them.replace(reason, f"Told: {reason}")
        wanted.add(all_of_them)
        with self.changed:
            self.changed.wait_for(lambda: wanted & set(self.said), BOUND)
            found = wanted & set(self.said)
            assert found, f"missing: {line}"
            line = found.pop()
            self.said.remove(line)
            self.heard.add(line)
            self.stops = self.stops or "nothing answers" in line

    def await_hold(self, plugin_id: str) -> None:
        end = time.monotonic() + BOUND
        while self.call_of(plugin_id) != f"the caller of {plugin_id} waits":
            _, handle = self.calls.pop()
            self.host._native.release(handle)
            assert time.monotonic() < end, "callers are not held"
            time.sleep(0.001)

    def call_of(self, plugin_id: str) -> str:
        plugin = self.plugins[plugin_id]
        native, handle = self.host._native, plugin._handle or 0
        found = None if plugin.closed else native.try_acquire(handle)
        if found is not None:
            self.calls.append((found[1].generation, found[0]))
            return f"generation {found[1].generation} is called"
        try:
            waits = native.condition(handle).active != 0
        except HotReloadError:
            waits = False
        return f"the caller of {plugin_id} {'waits' if waits else 'gets no version'}"

    def do_story(self, command: Command) -> None:
        """It begins."""

    def do_status(self, command: Command) -> None:
        """A host does not show it."""

    def do_add(self, command: Command) -> None:
        specs: list[PluginSpec] = []
        together: PluginSet | None = None
        for line in command.input:
            kind, name, *words = line.split()
            options = {word.partition("=")[0]: word.partition("=")[2] for word in words}
            if kind == "set":
                check = (lambda _, name=name: self.check(name)) if "check" in options else None
                together = PluginSet(name, check, seconds(options["wait"]) if "wait" in options else 30.0)
                continue
            if "state" in options:
                self.states.add(name)
            limit = seconds(options["limit"]) if "limit" in options else None
            limits = dict.fromkeys(("load", "init", "save", "restore", "exit", "unload"), limit)
            hand_over = None if self.story.is_timed() else BOUND
            mode = next((w for w in ("exit-first", "unload-first") if w in options), "side-by-side").replace("-", "_")
            needs = options["needs"].split(",") if "needs" in options else []
            specs.append(
                PluginSpec(
                    name,
                    self.directory / f"{name}.py",
                    mode=mode,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
                    needs=needs,
                    allow_missing=True,
                    limits=StepLimits(hand_over=hand_over, **limits),
                )
            )

        def add() -> None:
            opened = self.host.open_all(specs, together=together)
            self.plugins.update((plugin.id, plugin) for plugin in opened)

        self.attempt(command, add)

    def attempt(self, command: Command, function: Any) -> None:
        """Does something that may be an error, if the story says so."""
        errors = [line for line in command.prints if line.startswith("error: ")]
        try:
            function()
            said = []
        except HotReloadError as error:
            said = [f"error: {error}"]
        assert said == errors
        self.expect(command)

    def do_remove(self, command: Command) -> None:
        left = [self.plugins[plugin_id] for plugin_id in command.words[1:]]

        def remove() -> None:
            while left:
                error: ValueError | None = None
                for plugin in list(left):
                    try:
                        plugin._begin_close()
                    except ValueError as needed:  # by another one, perhaps of these
                        error = needed
                    else:
                        plugin._end()
                        left.remove(plugin)
                        error = None
                        break
                if error is not None:
                    raise error

        self.attempt(command, remove)

    def do_offer(self, command: Command) -> None:
        name, generation = command.words[1], int(command.words[2])
        if self.plugins[name].closed:
            assert command.prints[0].startswith("error: ")
            return
        text = SOURCE + (STATE if name in self.states else "")
        replace(self.directory / f"{name}.py", text.format(plugin=name, generation=generation, story=self.number))
        with self.changed:
            self.changed.wait_for(lambda: self.delivered.get(name, 0) >= generation, BOUND)
            assert self.delivered.get(name) == generation
        self.expect(command)

    def do_go_back(self, command: Command) -> None:
        plugin = self.plugins[command.words[1]]
        plugin.fail("the host says so", self.host._native.condition(plugin._handle or 0).active)
        self.expect(command)

    def do_rejected(self, command: Command) -> None:
        self.rejects.add(command.words[1])
        replace(self.directory / f"{command.words[1]}.py", f"# rejected {command.line}")
        self.expect(command)

    def do_file_removed(self, command: Command) -> None:
        (self.directory / f"{command.words[1]}.py").unlink()
        self.expect(command)

    def do_without_state(self, command: Command) -> None:
        handle = self.plugins[command.words[1]]._handle or 0
        self.attempt(command, lambda: self.host._native.take_without_state(handle))

    def do_call(self, command: Command) -> None:
        end = time.monotonic() + BOUND
        while (said := self.call_of(command.words[1])) != command.prints[0]:
            if said.startswith("generation"):
                self.host._native.release(self.calls.pop()[1])
            assert time.monotonic() < end, said
            time.sleep(0.001)

    def do_call_ends(self, command: Command) -> None:
        call = next(call for call in self.calls if call[0] == int(command.words[2]))
        self.calls.remove(call)
        self.host._native.release(call[1])
        self.expect(command)

    def do_step(self, command: Command) -> None:
        key = (command.words[1], int(command.words[2]), command.words[3])
        script = Script()
        for word in command.words[4:]:
            name, _, value = word.partition("=")
            if name == "works":
                self.scripts.pop(key, None)
                return
            if name == "fails":
                script.fails = value.strip("()")
                self.reasons.add(script.fails)
            elif name == "takes":
                script.takes = seconds(value)
            else:
                assert name in ("hangs", "always"), word
                setattr(script, name, True)
        with self.changed:
            self.scripts[key] = script

    def do_step_returns(self, command: Command) -> None:
        key = (command.words[1], int(command.words[2]), command.words[3])
        with self.changed:
            script = next(script for of, script in self.running if of == key)
            for word in command.words[4:]:
                script.fails = word.partition("=")[2].strip("()")
                self.reasons.add(script.fails)
            script.returned = True
            self.changed.notify_all()
        self.expect(command)

    def do_check_says(self, command: Command) -> None:
        self.fits = command.input[0]
        self.expect(command)

    def do_advance(self, command: Command) -> None:
        with self.changed:
            self.clock += seconds(command.words[1])
            self.changed.notify_all()
        self.expect(command)


@pytest.mark.timeout(180)
def test_the_stories_of_exchanges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stories = list(read_stories())
    told = [story for story in stories if not story.why_not()]
    assert len(told) > len(stories) / 2, [story.why_not() for story in stories]
    tellers: dict[int, Teller] = {}
    monkeypatch.setattr(sys, "stories", tellers, raising=False)
    begin = _steps.Job._begin

    def visible(job: _steps.Job, awaits: bool) -> Any:
        """The removal of a version runs no code of the plugin."""
        if job.kind == _abi_hosts.STEP_UNLOAD:
            of = job.version.module.story.number if job.version.loaded else None
            if of is not None:
                tellers[of].step("unload", job.version.loader.id, job.version.generation)
        return begin(job, awaits)

    monkeypatch.setattr(_steps.Job, "_begin", visible)

    def tell(i: int) -> str:
        failure = ""
        # The engine's pauses are real: a machine that stands still for a second tells another story.
        for attempt in range(3 if told[i].is_timed() else 1):
            directory = tmp_path / f"{i}-{attempt}"
            directory.mkdir()
            tellers[i] = Teller(told[i], i, directory)
            failure = tellers[i].tell()
            if not failure:
                break
        return failure

    with ThreadPoolExecutor(8) as pool:
        failures = [failure for failure in pool.map(tell, range(len(told))) if failure]
    assert not failures, "\n".join(failures)
