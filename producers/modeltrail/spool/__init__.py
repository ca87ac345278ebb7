"""The spool: what a process wrote and the log has not acknowledged yet, in files that survive the process.

    <home>/spool/<emitter id>/owner          JSON: host, process id, start; held by flock while the process lives
    <home>/spool/<emitter id>/000001.notes   frames (framing.py): first ``H`` and a JSON header, then notes
    <home>/spool/<emitter id>/000001.events  frames: encoded events with their ids, and what was acknowledged
    <home>/spool/<emitter id>/acknowledged   up to where the log has it (acknowledgement.py)
    <home>/spool/<emitter id>.damaged        bytes that could not be read, set aside

The emitter appends to the last ``.notes``. The sender (sending/), another process, turns notes into events, stores
these beside before it sends them, and removes a segment that was sent. While the owner lives, only the sender of its
home and log drains its spool; what a dead process left is drained by whoever gets its ``owner`` lock.
"""
