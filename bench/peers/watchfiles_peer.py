# SPDX-License-Identifier: MIT
"""watchfiles with its shortest steps, watching each directory."""

import threading

import subject
from watchfiles import watch

ready = threading.Event()


def run():
    ready.set()
    for changes in watch(*subject.directories(), debounce=1, step=1, recursive=False):
        for path in {path for _, path in changes}:
            subject.told(path)


def enable():
    threading.Thread(target=run, daemon=True).start()
    ready.wait()


subject.obey(enable=enable)
