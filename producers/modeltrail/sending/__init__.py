"""Sending: from the spools of a home to a log, in a process of its own, one for each home and log.

place.py        where processes of a home find its sender: lock, bell, state; imports nothing slow
launching.py    the emitter's side: see to it that a sender is there; a thread where no process can be started
__main__.py     the process
sender.py       the sender itself, whether in a process or in a thread
connection.py   the log, with a backoff, and what becomes of what it refuses
syncing.py      what was written reaches the disk in time
flushing.py     ``modeltrail spool flush``
"""
