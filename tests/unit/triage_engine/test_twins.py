"""What says the same belongs together, from the first reports on."""

from services.triage.engine import Engine, Report


def report(number: int, title: str, body: str = "", **more: str) -> Report:
    return Report(id=f"r{number}", source="manual", title=title, body=body, **more)


def test_the_same_words_are_one_cluster_from_the_second_report_on() -> None:
    engine = Engine()
    for number in range(9):
        engine.assign(report(number, "Export hangs", "It never ends."))
    placed = engine.assign(report(9, "export  hangs", "It never\nends."))
    assert engine.cluster_ids() == [engine.cluster_of("r0")]
    assert placed.reasons[0].detail == "says the same, word for word, as r8"


def test_words_alone_do_not_join_what_a_sender_keeps_apart() -> None:
    engine = Engine()
    engine.assign(report(1, "Error", fingerprint="A"))
    engine.assign(report(2, "Error", fingerprint="B"))
    assert engine.assign(report(3, "Error", fingerprint="A")).cluster_id == engine.cluster_of("r1")


def test_a_person_who_takes_a_twin_out_is_obeyed_by_the_next_one_too() -> None:
    engine = Engine()
    for number in range(2):
        engine.assign(report(number, "Export hangs", "It never ends."))
    engine.cannot_link("r0", "r2")
    engine.cannot_link("r1", "r2")
    placed = engine.assign(report(2, "Export hangs", "It never ends."))
    assert placed.cluster_id != engine.cluster_of("r0")


def test_a_restart_remembers_what_was_said_and_forgets_what_was_deleted() -> None:
    engine = Engine()
    engine.assign(report(1, "Export hangs", "It never ends."))
    engine = Engine.restore([(report(1, "Export hangs", "It never ends."), engine.cluster_of("r1"))])
    assert engine.assign(report(2, "Export hangs", "It never ends.")).cluster_id == engine.cluster_of("r1")
    engine.forget("r2")
    engine.forget("r1")
    assert engine.assign(report(3, "Export hangs", "It never ends.")).new


def test_reports_without_a_word_are_not_alike() -> None:
    engine = Engine()
    engine.assign(report(1, ""))
    assert engine.assign(report(2, " ")).new
