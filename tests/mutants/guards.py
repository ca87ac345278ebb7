"""The lines that keep the promises, each with the change that breaks it and the tests that then fail.

``make mutants`` makes each change and runs the tests; docs/guarantees.md shows the table, and a test keeps both true.
"""

from typing import NamedTuple

PROJECTION = "consumers/modeltrail_server/projection"
AUDIT = "consumers/modeltrail_server/audit"
SDK = "producers/modeltrail"
PROJECTOR_TESTS = "tests/modeltrail_server/projection/test_projector.py"
REBUILD_TESTS = "tests/modeltrail_server/projection/test_rebuild.py"
FOLD_TEST = (
    "tests/modeltrail_server/projection/test_projection_state.py::test_sqlite_holds_the_fold_of_the_set_of_events"
)
CRASH_TEST = "tests/modeltrail_server/audit/test_audit_crashes.py::test_after_a_crash_at_any_step_the_log_is_whole"
AUDITOR_TESTS = "tests/modeltrail_server/audit/test_audit_auditor.py"
VERIFICATION_TESTS = "tests/modeltrail_server/audit/test_audit_verification.py"
FOLLOWING_TESTS = "tests/modeltrail_server/audit/test_audit_following.py"
SPOOL_TESTS = "tests/modeltrail/spool"
POWER_TESTS = "tests/faults/test_power_lost_under_a_spool.py"
READING = "schemas/modeltrail_schemas/openlineage/reading.py"
WRITING_TESTS = "tests/schemas/openlineage/test_openlineage_writing.py"
REFUSAL_TESTS = "tests/faults/test_refused_by_the_database.py"
REDACTION_TESTS = "tests/modeltrail/test_redaction.py"
API = "consumers/modeltrail_server/api"
API_TESTS = "tests/modeltrail_server/api/test_api.py"
CONNECTION_TESTS = "tests/modeltrail_server/api/test_api_connections.py"
SEARCH = "consumers/modeltrail_server/search"
SEARCH_TESTS = "tests/modeltrail_server/search"
INDEXING = f"{SEARCH}/indexing.py"
INDEX_TESTS = f"{SEARCH_TESTS}/test_search_writers.py"


class Guard(NamedTuple):
    """``promise`` (1 to 4; 0 for what comes from outside) rests on what ``what`` names: ``line``, once in ``file``.

    Replaced by ``without``, at least one of ``tests`` fails. Those of ``services`` need Kafka or PostgreSQL.
    """

    promise: int
    what: str
    file: str
    line: str
    without: str
    tests: tuple[str, ...]
    services: bool = False


GUARDS = (
    # 1 Emitting never hurts training; what was accepted survives.
    Guard(
        1, "the checksum of a spool's frame", f"{SDK}/spool/framing.py",
        'return end if checksum == int.from_bytes(data[at + 8 : at + 12], "little") else None', "return end",
        (f"{SPOOL_TESTS}/test_framing.py::test_a_damaged_byte_costs_its_frame_only",),
    ),
    Guard(
        1, "the sync of notes", f"{SDK}/spool/writing.py",
        "        os.fsync(self._descriptor)\n        if self._synced", "        if self._synced",
        (f"{POWER_TESTS}::test_a_sync_reaches_the_notes_and_the_name_of_their_file",),
    ),
    Guard(
        1, "the sync of the notes' folder, the spool's name and its owner", f"{SDK}/spool/writing.py",
        "            secure(self.ownership.folder)\n            self._synced_segment = self._segment",
        "            pass",
        (f"{POWER_TESTS}::test_a_sync_reaches_the_notes_and_the_name_of_their_file",),
    ),
    Guard(
        1, "a sender syncs what others wrote", f"{SDK}/sending/syncing.py",
        "            _sync_data(descriptor)\n", "            pass\n",
        ("tests/modeltrail/sending/test_syncing.py::test_what_another_process_synced_survives_a_power_cut",),
    ),
    Guard(
        1, "a home and log have one sender (flock)", f"{SDK}/sending/place.py",
        "                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n            except",
        "                pass\n            except",
        ("tests/modeltrail/sending/test_place.py::test_a_place_has_one_sender_at_a_time",),
    ),
    Guard(
        1, "events are on the disk before they are sent", f"{SDK}/spool/outbox.py",
        "        os.fsync(self._descriptor)\n", "",
        (f"{POWER_TESTS}::test_events_are_on_the_disk_before_they_are_given_to_be_sent",),
    ),
    Guard(
        1, "notes are removed before their events", f"{SDK}/spool/draining.py",
        "        notes_file(self.folder, self._segment).unlink()\n"
        "        events_file(self.folder, self._segment).unlink()",
        "        events_file(self.folder, self._segment).unlink()\n"
        "        notes_file(self.folder, self._segment).unlink()",
        (f"{SPOOL_TESTS}/test_draining.py::test_a_crash_between_removing_notes_and_events_sends_nothing_anew",),
    ),
    Guard(
        1, "a spool has one owner (flock)", f"{SDK}/spool/ownership.py",
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n        if os.fstat", "        if os.fstat",
        (f"{SPOOL_TESTS}/test_draining.py::test_a_spool_has_one_owner",),
    ),
    Guard(
        1, "a gap for damaged notes", f"{SDK}/spool/draining.py",
        "notes = reading.notes + [self._gap(damage, before) for damage in reading.damages]",
        "notes = list(reading.notes)",
        (f"{SPOOL_TESTS}/test_draining.py::test_a_damaged_note_is_set_aside_and_a_gap_stands_for_it",),
    ),
    Guard(
        1, "a gap for dropped notes", f"{SDK}/emitter.py",
        "            self._write_losses(session)\n        self._append(session, body, rank)",
        "            self._losses.clear()\n        self._append(session, body, rank)",
        ("tests/modeltrail/test_emitter.py::test_a_note_with_a_value_of_no_plain_form_is_counted_and_becomes_a_gap",),
    ),
    Guard(
        1, "ABORT is inferred for a run whose process died", f"{SDK}/spool/draining.py",
        "            notes += self._aborts()", "            pass",
        (f"{SPOOL_TESTS}/test_draining.py::test_a_dead_process_spool_is_sent_and_removed",),
    ),
    Guard(
        1, "a rank whose process died is told from one that left", f"{SDK}/notes.py",
        "    if run.get(PRESENCE):", "    if False:",
        (f"{SPOOL_TESTS}/test_draining.py::"
         "test_a_process_that_joined_a_run_and_died_is_told_from_one_that_left_it[False]",),
    ),
    Guard(
        1, "a rank that leaves its run says so", f"{SDK}/run.py",
        "            self._recorder.emit({**self._base, **error, PRESENCE: False})", "            del error",
        ("tests/faults/test_ranks.py::test_eight_ranks_record_one_run_which_rank_0_starts_and_ends",),
    ),
    Guard(
        1, "a rank that outlives its run is found", "consumers/modeltrail_server/queries/fold.py",
        "            if after_ns > LATE_NS:", "            if False:",
        ("tests/modeltrail_server/queries/test_query_fold.py::"
         "test_what_befalls_a_process_that_does_not_end_the_run_is_a_trouble_of_the_run_and_not_its_error",),
    ),
    Guard(
        1, "a forked child begins a spool of its own", f"{SDK}/emitter.py",
        "os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)", "",
        ("tests/modeltrail/test_emitter.py::test_a_forked_child_writes_as_an_emitter_of_its_own",),
    ),
    Guard(
        1, "a note that a signal handler writes within another is not lost", f"{SDK}/emitter.py",
        "            if self._deferred:\n                self._write_deferred()\n        return kept",
        "        return kept",
        ("tests/modeltrail/test_emitter.py::test_a_signal_handler_may_emit_within_a_call",),
    ),
    Guard(
        1, "an environment is described again where its list was not kept", f"{SDK}/starting.py",
        "        if run.emit(note):\n", "        if run.emit(note) or True:\n",
        ("tests/modeltrail/test_run.py::"
         "test_an_environment_that_could_not_be_kept_is_told_in_full_with_the_next_run",),
    ),
    Guard(
        1, "a part of a note that a full disk took is cut off", f"{SDK}/spool/writing.py",
        "            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - count)\n", "",
        ("tests/modeltrail/test_bad_homes.py::"
         "test_a_disk_that_takes_no_more_costs_what_it_did_not_take_and_training_nothing",),
    ),
    Guard(
        1, "a home on a network file system is refused", f"{SDK}/emitter.py",
        "            if kind := network_filesystem(home):", "            if kind := None:",
        ("tests/modeltrail/test_bad_homes.py::"
         "test_a_home_on_nfs_is_told_once_with_the_remedy_and_nothing_is_written_there",),
    ),
    Guard(
        1, "a process told to stop aborts its runs", f"{SDK}/ending.py",
        "            self._abort()\n", "            pass\n",
        ("tests/faults/test_ranks.py::test_a_rank_told_to_stop_says_so_before_it_goes",),
    ),
    Guard(
        1, "an event that the log refuses becomes a gap", f"{SDK}/sending/connection.py",
        'gaps.append(gap_for(record, f"the log refused the event: {error}"))', "pass",
        ("tests/modeltrail/test_emitter.py::test_an_event_that_the_log_refuses_becomes_a_gap_and_the_rest_goes_on",),
    ),
    Guard(
        1, "a log that fails is opened and tried again", f"{SDK}/sending/connection.py",
        "        except Exception as error:  # noqa: BLE001 - whatever a log or its library raises, sending goes on",
        "        except ZeroDivisionError as error:",
        ("tests/faults/test_emitting_broker.py::test_a_broker_that_dies_in_the_midst_and_comes_back_costs_nothing",),
        True,
    ),
    Guard(
        1, "time of an emitter strictly increases", f"{SDK}/emitter.py",
        "        self._last_ns = max(time.time_ns(), self._last_ns + TIME_STEP_NS)\n        payload",
        "        self._last_ns = time.time_ns()\n        payload",
        (f"{POWER_TESTS}::test_a_clock_that_steps_back_does_not_turn_the_order_of_an_emitter",),
    ),
    Guard(
        1, "redaction by the shape of a secret", f"{SDK}/redaction.py",
        "text_now, count = _KNOWN.subn(REDACTED, text)", "text_now, count = text, 0",
        (f"{REDACTION_TESTS}::test_a_secret_in_text_is_taken_out_and_counted",),
    ),
    Guard(
        1, "redaction of passwords in URLs", f"{SDK}/redaction.py",
        "_URL_TOKEN.sub(url_token, _URL_PASSWORD.sub(url_password, text_now))", "text_now",
        (f"{REDACTION_TESTS}::test_a_secret_in_text_is_taken_out_and_counted",),
    ),
    Guard(
        1, "redaction by the name of a value", f"{SDK}/redaction.py",
        "if value and (judged.sure or (judged.secret and _is_opaque(value))):", "if False:",
        (f"{REDACTION_TESTS}::test_a_secret_name_hides_any_value",),
    ),
    Guard(
        1, "redaction of a command line", f"{SDK}/redaction.py",
        'if value_is_secret and not argument.startswith("--"):', "if False:",
        (f"{REDACTION_TESTS}::test_a_command_line_loses_the_values_of_secret_options_only",),
    ),
    Guard(
        1, "redaction of what -p is given", f"{SDK}/redaction.py",
        'elif before == "-p" and _looks_chosen(argument):', "elif False:",
        (f"{REDACTION_TESTS}::test_the_value_of_p_goes_where_it_looks_like_a_password",),
    ),
    # 2 The log is the truth; the rest is a function of it.
    Guard(
        2, "the embedded log's commits reach the disk", f"{SDK}/log/sqlite_file.py",
        'connection.execute("PRAGMA synchronous = FULL")', 'connection.execute("PRAGMA synchronous = OFF")',
        ("tests/modeltrail/log/test_embedded_log.py::test_each_commit_reaches_the_disk",),
    ),
    Guard(
        2, "a position that the log does not hold is refused", f"{SDK}/log/cursor.py",
        "    if not start <= offset <= end:", "    if False:",
        (f"{PROJECTOR_TESTS}::test_a_log_that_lost_records_the_read_model_has_not_seen_is_refused[sqlite]",),
    ),
    Guard(
        2, "another topic of the same name is refused", f"{PROJECTION}/generations.py",
        "    if generation.topic_id != log.topic_id:", "    if False:",
        (f"{PROJECTOR_TESTS}::test_another_log_under_the_same_name_is_refused[sqlite]",),
    ),
    Guard(
        2, "a topic made anew under an open log is noticed", f"{SDK}/log/kafka_cluster.py",
        "        if identity.topic_id != expected.topic_id:", "        if False:",
        ("tests/modeltrail/log/test_kafka_log.py::test_a_topic_made_anew_under_an_open_log_is_noticed",), True,
    ),
    Guard(
        2, "Kafka never jumps to another offset", f"{SDK}/log/kafka_reader.py",
        'auto_offset_reset="none"', 'auto_offset_reset="earliest"',
        ("tests/faults/test_topic_truncated.py::test_records_deleted_before_they_were_projected_are_missed_aloud",),
        True,
    ),
    Guard(
        2, "the order key has the event's id in it", f"{PROJECTION}/merge.py",
        '_FIRST = ("first_time_ns", "first_event_id")', '_FIRST = ("first_time_ns", "first_time_ns")',
        ("tests/modeltrail_server/projection/test_merge.py::"
         "test_any_order_and_any_repetition_of_events_folds_to_the_same_rows",),
    ),
    Guard(
        2, "a terminal state beats a running one", f"{PROJECTION}/merge.py",
        'Choice(RunRow, ("state", *_STATE), by=_STATE, greatest=True)',
        'Choice(RunRow, ("state", *_STATE), by=_STATE[1:], greatest=True)',
        ("tests/modeltrail_server/projection/test_merge.py::"
         "test_a_terminal_state_stands_against_a_later_running_one_and_of_two_terminal_ones_the_last",),
    ),
    Guard(
        2, "of payloads of one id the smallest stands", f"{PROJECTION}/batches.py",
        "if payload_sha256(one.row) < payload_sha256(other.row) else", "if one.row.offset < other.row.offset else",
        (FOLD_TEST,),
    ),
    Guard(
        2, "what a losing payload said goes", f"{PROJECTION}/writing.py",
        "        conflicts.mend(connection, tables, replaced)", "        pass", (FOLD_TEST,),
    ),
    Guard(
        2, "the digest covers every table", f"{PROJECTION}/digest.py",
        '"link": tables.link, "content": tables.content}', '"link": tables.link}',
        ("tests/modeltrail_server/projection/test_digest.py::test_each_column_and_each_row_counts[content]",),
    ),
    Guard(
        2, "the digest covers every column", f"{PROJECTION}/digest.py",
        '_EVENT_COLUMNS = ("event_id", "event_time_ns", "kind", "type", "payload")',
        '_EVENT_COLUMNS = ("event_id", "event_time_ns", "kind", "type")',
        ("tests/modeltrail_server/projection/test_digest.py::test_each_column_and_each_row_counts[event]",),
    ),
    Guard(
        2, "a read model of another version is refused", f"{PROJECTION}/generations.py",
        "    if generation.projection_version != PROJECTION_VERSION:", "    if False:",
        (f"{PROJECTOR_TESTS}::test_a_read_model_of_another_projection_version_is_refused_with_the_remedy[sqlite]",),
    ),
    Guard(
        2, "an unknown schema stops the reader", f"{PROJECTION}/batches.py",
        "            unknown_schema = error\n            break", "            continue",
        (f"{PROJECTOR_TESTS}::test_a_newer_schema_stops_the_projector_with_everything_before_it_kept[sqlite]",),
    ),
    Guard(
        2, "readers are led to a new generation when it is whole", f"{PROJECTION}/rebuilding.py",
        "        elif old.topic_id != generation.topic_id or _covers(connection, generation, old):",
        "        elif True:",
        (f"{REBUILD_TESTS}::test_a_new_generation_is_swapped_in_only_when_it_has_all_that_the_old_one_has[sqlite]",),
    ),
    # 3 Each event counts once.
    Guard(
        3, "the compare-and-set of a position", f"{PROJECTION}/writing.py",
        "is_expected = (position.c.partition == batch.partition) & (position.c.next_offset == expected)",
        "is_expected = position.c.partition == batch.partition",
        (f"{PROJECTOR_TESTS}::test_a_zombie_that_believes_in_an_old_position_writes_nothing_and_goes_on[sqlite]",),
    ),
    Guard(
        3, "whoever loses the compare-and-set writes nothing", f"{PROJECTION}/writing.py",
        "    if moved != 1:\n        raise PositionMovedError", "    del moved",
        (f"{PROJECTOR_TESTS}::test_a_zombie_that_believes_in_an_old_position_writes_nothing_and_goes_on[sqlite]",),
    ),
    Guard(
        3, "position and rows are one transaction", f"{PROJECTION}/projector.py",
        "        move_position(connection, generation.tables, batch, expected)\n",
        "        move_position(connection, generation.tables, batch, expected)\n"
        '        connection.exec_driver_sql("COMMIT")\n        connection.exec_driver_sql("BEGIN IMMEDIATE")\n',
        ("tests/faults/test_projector_killed.py::test_killed_at_each_point_of_a_transaction[sqlite-written]",),
    ),
    Guard(
        3, "an event that is there is not inserted again (SQLite)", f"{PROJECTION}/sqlite.py",
        'INSERT_NEW = "ON CONFLICT (event_id) DO NOTHING"', 'INSERT_NEW = ""', (FOLD_TEST,),
    ),
    Guard(
        3, "an event that is there is not inserted again (PostgreSQL)", f"{PROJECTION}/postgresql.py",
        "[event for event in events if event.event_id not in there] if there else events", "events",
        ("tests/faults/test_duplicates_in_the_log.py::"
         "test_events_of_killed_trainings_and_killed_flushes_are_each_projected_once[postgresql]",), True,
    ),
    Guard(
        3, "duplicates within a batch are one event", f"{PROJECTION}/batches.py",
        "known = events.setdefault(decoded.row.event_id, decoded)",
        "events[decoded.row.event_id] = known = decoded", (FOLD_TEST,),
    ),
    Guard(
        3, "a projector writes the generation that the pointer names", f"{PROJECTION}/projector.py",
        "        if generation is None or self._locked_generation(connection) != generation:",
        "        if generation is None:",
        (f"{REBUILD_TESTS}::test_a_projector_of_the_old_generation_goes_on_with_the_new_one[sqlite]",),
    ),
    Guard(
        3, "the pointer is read FOR SHARE", f"{PROJECTION}/generations.py",
        "    return query.with_for_update(read=True, of=table)", "    return query",
        ("tests/faults/test_rebuild_killed.py::test_a_swap_waits_for_whoever_writes_the_old_generation",), True,
    ),
    Guard(
        3, "a frozen transaction is ended", f"{PROJECTION}/engine.py",
        """SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'""", "SELECT 1",
        ("tests/faults/test_projector_zombie.py::"
         "test_a_transaction_that_stands_still_does_not_hold_the_position_for_ever",), True,
    ),
    Guard(
        3, "what is down is tried again", f"{PROJECTION}/projector.py",
        "except (DatabaseUnavailableError, LogUnavailableError) as error:", "except ZeroDivisionError as error:",
        (f"{PROJECTOR_TESTS}::test_the_daemon_waits_for_what_is_down_and_ends_when_told[sqlite]",),
    ),
    Guard(
        3, "what cannot be read is kept as a dead letter", f"{PROJECTION}/batches.py",
        "            dead_letters.append(_dead_letter(record, str(error)))", "            pass",
        (f"{PROJECTOR_TESTS}::test_what_cannot_be_read_is_set_aside_and_takes_effect_once_it_can[sqlite]",),
    ),
    Guard(
        3, "a record that the database refuses stops nothing", f"{PROJECTION}/projector.py",
        "            except DataRefusedError as error:", "            except ZeroDivisionError as error:",
        (f"{REFUSAL_TESTS}::"
         "test_a_refused_record_is_a_dead_letter_with_the_reason_until_the_rule_is_gone[sqlite-4000-event]",),
    ),
    Guard(
        3, "what time may mend is no refusal", f"{PROJECTION}/engine.py",
        "        return str(sqlstate).startswith(_REFUSAL_CLASSES)", "        return True",
        (f"{REFUSAL_TESTS}::test_what_time_may_mend_is_never_set_aside[53100]",), True,
    ),
    Guard(
        3, "an event that another transaction inserts is no refusal", f"{PROJECTION}/postgresql.py",
        "            if _is_race(error, table):", "            if False:",
        ("tests/modeltrail_server/projection/test_postgresql_writer.py::"
         "test_an_event_that_another_transaction_inserts_meanwhile_is_a_duplicate_at_the_next_try",), True,
    ),
    Guard(
        3, "an event counts only where all of it can be decoded", "schemas/modeltrail_schemas/soundness.py",
        "        _CHECK_END,\n", "",
        ("tests/schemas/test_codec.py::test_no_byte_past_the_header_goes_unread",
         "tests/schemas/test_codec.py::test_an_event_is_sound_only_where_all_of_it_can_be_decoded"),
    ),
    Guard(
        3, "no text is too long for an index", f"{PROJECTION}/facts.py",
        '    return f"{text[:KEPT_CHARACTERS]}…{sha256(encoded).hexdigest()}"', "    return text",
        ("tests/faults/test_poison.py::test_texts_that_no_index_takes_are_projected_alike_everywhere[postgresql-name]",),
        True,
    ),
    Guard(
        3, "the search index has one writer at a time", INDEXING,
        "        _wait_for_other_writers(connection)  # else columns are coded by two at once\n", "",
        (f"{INDEX_TESTS}::test_who_indexes_waits_for_whoever_does_before_it_reads_or_writes_anything",), True,
    ),
    Guard(
        3, "the tables of the search index are made by one", INDEXING,
        "        _wait_for_other_writers(connection)\n        tables.metadata", "        tables.metadata",
        (f"{INDEX_TESTS}::test_two_who_find_no_index_make_it_one_after_the_other",), True,
    ),
    Guard(
        3, "who indexes a dead letter that is read now waits for who indexes", INDEXING,
        "        _wait_for_other_writers(connection)\n        writer, snapshot", "        writer, snapshot",
        (f"{INDEX_TESTS}::test_who_indexes_what_could_not_be_read_before_waits_for_whoever_indexes",), True,
    ),
    Guard(
        3, "a kept column is given in the version that is asked for", f"{SEARCH}/keeping.py",
        "for number, kept in there if kept.version == wanted[number]}", "for number, kept in there}",
        (f"{SEARCH_TESTS}/test_search_finding.py::"
         "test_what_was_kept_is_no_answer_for_another_snapshot_or_generation",
         f"{SEARCH_TESTS}/test_search_keeping.py::"
         "test_what_is_given_is_what_was_kept_last_in_that_version_and_there_is_never_more_than_fits"),
    ),
    # 4 History can be checked by someone who does not trust us.
    Guard(
        4, "the sync of tiles and bundles", f"{AUDIT}/files.py",
        "            for scratch in scratches.values():\n                self._files.sync(scratch)\n", "",
        (f"{CRASH_TEST}[power lost]",),
    ),
    Guard(
        4, "the sync of their names", f"{AUDIT}/files.py",
        "            for parent in sorted(parents):\n                self._files.sync(parent)\n", "",
        (f"{CRASH_TEST}[power lost]",),
    ),
    Guard(
        4, "the sync of records", f"{AUDIT}/files.py",
        "            self._files.sync(path)\n            self._files.sync(path.parent)\n", "",
        (f"{CRASH_TEST}[power lost]",),
    ),
    Guard(
        4, "the sync of a signed head", f"{AUDIT}/files.py",
        "            self._files.sync(scratch)\n            target = self.folder / name\n",
        "            target = self.folder / name\n", (f"{CRASH_TEST}[power lost]",),
    ),
    Guard(
        4, "a file that was written once is never overwritten", f"{AUDIT}/files.py",
        "            if self.read(name) != data:", "            if False:",
        (f"{AUDITOR_TESTS}::test_a_full_tile_is_never_overwritten",),
    ),
    Guard(
        4, "records are read again before they are signed", f"{AUDIT}/auditor.py",
        "                if file.read() != data:", "                if False:",
        (f"{AUDITOR_TESTS}::test_nothing_is_signed_that_does_not_read_back[segments/000]",),
    ),
    Guard(
        4, "tiles are read and hashed again before they are signed", f"{AUDIT}/auditor.py",
        "        self._check_written()\n", "",
        (f"{AUDITOR_TESTS}::test_nothing_is_signed_that_does_not_read_back[tile/0/000]",),
    ),
    Guard(
        4, "from outside no document chooses its event id", READING,
        "    if not outside and event.event_id != NO_ID and", "    if event.event_id != NO_ID and",
        (f"{WRITING_TESTS}::test_from_outside_a_document_of_ours_is_a_document_and_has_the_id_of_its_content",),
    ),
    Guard(
        4, "a document cannot vouch for who declared something", READING,
        "    return replace(event, statement=replace(event.statement, assurance=CLAIMED))", "    return event",
        (f"{WRITING_TESTS}::test_a_document_claims_who_declared_something_and_cannot_vouch_for_it",),
    ),
    Guard(
        4, "a tree has one writer (flock)", f"{AUDIT}/locking.py",
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "        pass",
        (f"{AUDITOR_TESTS}::test_a_second_auditor_is_told_who_the_first_is",),
    ),
    Guard(
        4, "what lies beyond the signed head is cut off", f"{AUDIT}/files.py",
        "            os.ftruncate(fd, at)\n", "",
        (f"{AUDITOR_TESTS}::test_what_a_crash_left_behind_the_signed_records_is_cut_off",),
    ),
    Guard(
        4, "the last audited record is compared with the log's", f"{AUDIT}/following.py",
        "        if leaf.encode(records[0]) != self._anchors.pop(partition):",
        "        if self._anchors.pop(partition) is None:",
        (f"{FOLLOWING_TESTS}::test_a_log_whose_last_audited_record_is_another_is_refused",),
    ),
    Guard(
        4, "another topic does not take the place of an audited one", f"{AUDIT}/auditor.py",
        "        if head.origin != self.origin:", "        if False:",
        (f"{AUDITOR_TESTS}::test_another_topic_of_the_same_name_is_refused",),
    ),
    Guard(
        4, "the checksum of a segment's frame", f"{AUDIT}/segments.py",
        "        if zlib.crc32(body) != checksum:", "        if False:",
        ("tests/modeltrail_server/audit/test_audit_formats.py::"
         "test_no_bit_of_a_segment_can_be_flipped_unnoticed",),
    ),
    # 0 What comes from outside has bounds.
    Guard(
        0, "requests under way over HTTP", f"{API}/lineage.py",
        "        if under_way >= MAX_REQUESTS:", "        if False:",
        (f"{API_TESTS}::"
         "test_more_requests_than_the_bound_are_told_to_come_again_and_those_under_way_are_finished",),
    ),
    Guard(
        0, "connections over HTTP", f"{API}/connections.py",
        "        if len(self.connections) > self.config.bounds.max_connections:", "        if False:",
        (f"{CONNECTION_TESTS}::"
         "test_one_connection_more_than_the_bound_is_closed_at_once_and_one_that_ends_makes_place",),
    ),
    Guard(
        0, "connections that were one too many are counted", f"{API}/connections.py",
        "            self.config.on_refused()\n", "",
        (f"{CONNECTION_TESTS}::test_each_connection_that_was_one_too_many_is_counted_in_the_metrics",),
    ),
    Guard(
        0, "the time until a request's headers are here", f"{API}/connections.py",
        "            self._timer = self.loop.call_later(self.config.bounds.headers_timeout_s, self.transport.close)",
        "            pass",
        (f"{CONNECTION_TESTS}::test_a_connection_on_which_no_request_comes_is_closed[silent]",),
    ),
    Guard(
        0, "what a packed request unpacks to", f"{API}/bodies.py",
        "unpacking.decompress(body, MAX_BODY_BYTES + 1)", "unpacking.decompress(body)[:MAX_BODY_BYTES]",
        ("tests/modeltrail_server/api/test_api_bodies.py::test_what_unpacks_to_more_than_the_bound_is_refused",),
    ),
    Guard(
        0, "what a frame of an audit segment may claim", f"{AUDIT}/segments.py",
        "        if length > MAX_BODY_BYTES:", "        if False:",
        (f"{VERIFICATION_TESTS}::"
         "test_a_frame_that_claims_more_than_a_record_may_have_is_a_fault_before_any_of_it_is_held",),
    ),
    Guard(
        0, "what is unpacked of a segment beyond its records", f"{AUDIT}/segments.py",
        "        return len(self._take(READ_BYTES))",
        "        return sum(map(len, iter(lambda: self._take(READ_BYTES), bytes())))",
        (f"{VERIFICATION_TESTS}::test_what_follows_the_last_signed_record_is_not_unpacked_to_its_end",),
    ),
    Guard(
        0, "what is read of a tile, a bundle or a signed head", f"{AUDIT}/log_files.py",
        "        return file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)", "        return file.read()",
        (f"{VERIFICATION_TESTS}::test_of_a_file_no_more_is_read_than_may_be_in_it",),
    ),
    Guard(
        0, "how many entries are taken out of a bundle", f"{AUDIT}/tree.py",
        " and len(entries) <= TILE_WIDTH:", ":",
        (f"{VERIFICATION_TESTS}::test_a_bundle_of_very_many_entries_is_not_taken_apart_to_its_end",),
    ),
    Guard(
        0, "what is read of a key that others may have written", f"{AUDIT}/keys.py",
        "            text = file.read(MAX_NOTE_BYTES)", "            text = file.read()",
        (f"{VERIFICATION_TESTS}::test_of_a_key_and_a_schema_no_more_is_held_than_may_be_in_them",),
    ),
)  # fmt: skip
