"""Owns every job's state; hands fixes to runners by subject name."""
