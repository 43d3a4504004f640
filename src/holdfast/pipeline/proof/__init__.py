"""The proof that a run resumes exactly: undisturbed, killed, and compared step by step."""

from holdfast.pipeline.proof.prove import Verdict, prove
from holdfast.pipeline.proof.runs import DIRECTORY

__all__ = ["DIRECTORY", "Verdict", "prove"]
