"""Every message that crosses a process, one file per subject family. Imports nothing of ours.

All structs go over the wire as JSON. Readers ignore unknown fields, a new field needs a default, a type never
changes (msgspec's schema-evolution rules). ``v`` is the version of the message's meaning, raised only when an old
reader would misread the new one.
"""
