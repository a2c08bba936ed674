"""Chromium as a candidate: the same browser that the measurements drive."""

from bench.candidate.browser import BrowserCandidate as Candidate
from bench.candidate.browser import candidate_page

__all__ = ["Candidate", "candidate_page"]
