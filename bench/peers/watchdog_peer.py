# SPDX-License-Identifier: MIT
"""watchdog, one schedule a directory; the rest it leaves to its user."""

import subject
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer


class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        subject.events += 1

    def on_moved(self, event):
        subject.told(event.dest_path)

    def on_created(self, event):
        subject.told(event.src_path)  # a file that came from outside of what is watched

    def on_closed(self, event):
        subject.told(event.src_path)


observer = Observer()


def enable():
    handler = Handler()
    for d in subject.directories():
        observer.schedule(handler, d)


observer.start()
subject.obey(enable=enable)
