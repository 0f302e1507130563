"""Localisation: which files of a repository an issue is about, from git objects and text alone, with reasons."""

from services.planner.localise.errors import RepositoryError
from services.planner.localise.frames import Frame
from services.planner.localise.fusion import rank
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.results import Candidate, Evidence, Symbol

__all__ = ["Candidate", "Evidence", "Frame", "RepositoryError", "RepositoryIndex", "Symbol", "rank"]
