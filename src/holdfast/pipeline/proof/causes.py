"""From a difference between two runs to words: where it is, and what the likely cause is."""

from holdfast.pipeline.proof.differences import EPOCH, FILE, STEPS, Difference
from holdfast.pipeline.proof.traced import AFTER, BATCH, BEFORE, GRADIENTS, MEANS
from holdfast.training.trace import UNSAVED

_NAMED = 2  # tensors that are named; the others are counted
_UNTRACKED = (
    "something that changes in training is not among the objects given to run.job(state=...) or "
    "job.track(...), such as an average, a counter, an optimizer, or a generator of its own"
)
_FIRST_WEIGHTS = (
    "the job does not begin with the same state each time: call run.seed_for(name) before making "
    "the model, and draw its weights from torch's global generator"
)
_FEATURES = "; where the head stage learns on features, the frozen body that makes them may"
_BY_ITSELF = {
    BEFORE: "something changes it between two steps, by randomness of its own or by a clock",
    BATCH: "the dataset or a transform draws randomness of its own, from elsewhere than python's, "
    f"numpy's and torch's global generators{_FEATURES}",
    MEANS: "the batch and all weights before it were the same: the model or its loss draws from a "
    "generator of its own, or uses a nondeterministic operator",
    GRADIENTS: "the loss was the same: a nondeterministic operator in the backward pass, or "
    "randomness in the forward pass that is too small for the loss to show",
    AFTER: "the gradients were the same: the optimizer, or what else changes it, is not a function "
    "of them alone (a generator of its own, a clock, a nondeterministic operator)",
    STEPS: "the number of steps is not the same each time: the dataset's length or the epochs "
    "change",
    EPOCH: "all steps were the same: the evaluation draws randomness of its own, or uses a "
    "nondeterministic operator",
    FILE: "all steps were the same: the evaluation at the end draws randomness of its own, or what "
    "is saved is not a function of the steps",
}
_AFTER_A_KILL = {
    BEFORE: "the checkpoint does not hold it as it was: it is changed after job.step() has saved, "
    "or its load_state_dict does not take everything back",
    BATCH: "the dataset or a transform draws from a generator of its own, which no checkpoint "
    f"holds and which begins anew after a resume{_FEATURES}",
    MEANS: f"the batch and all weights before it were the same: {_UNTRACKED}",
    GRADIENTS: f"the loss was the same: {_UNTRACKED}",
    AFTER: f"the gradients were the same: {_UNTRACKED}",
    STEPS: "the resumed run does not make the same steps: how many there are depends on something "
    "that no checkpoint holds",
    EPOCH: "all steps were the same: the evaluation draws from a generator of its own, or uses "
    "something that no checkpoint holds",
    FILE: "all steps were the same: the evaluation at the end draws from a generator of its own, "
    "or uses something that no checkpoint holds",
}


def explain(difference: Difference, *, killed: bool) -> str:
    """Say what differs first, and the likely cause; ``killed`` if undisturbed runs agree."""
    after = " (just resumed)" if killed and difference.resumed else ""
    at = {EPOCH: "at the end of", FILE: "in"}.get(difference.part, "at")
    what = f"differs first {at} {difference.where}{after}"
    return f"{what}: {_what(difference)}. Likely cause: {_cause(difference, killed)}"


def _what(difference: Difference) -> str:
    if difference.part == STEPS:
        return "one run makes this step, the other does not"
    if not difference.names:
        return "one run has it, the other does not"
    told = f"{_PARTS.get(difference.part, '')}{_listed(difference.names)}"
    if difference.values:
        told += " ({} against {})".format(*difference.values)
    if difference.then:
        told += f", then {_listed(difference.then)}"
    return told


_PARTS = {BEFORE: "the state that it met, ", BATCH: "the batch, ", GRADIENTS: "the gradient of "}


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    if more < 2:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {more} more"


def _cause(difference: Difference, killed: bool) -> str:
    if any(UNSAVED in name for name in difference.names) and killed:
        return "it changes in training, and the module does not save it (persistent=False)"
    if difference.part == BEFORE and difference.began:
        return _FIRST_WEIGHTS
    return (_AFTER_A_KILL if killed else _BY_ITSELF)[difference.part]
