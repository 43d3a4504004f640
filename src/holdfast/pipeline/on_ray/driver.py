"""The driver: hands jobs out, writes down what workers tell, takes back what has died."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

import ray
from ray import ObjectRef
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from holdfast.checkpoint import write_down
from holdfast.errors import HoldfastError
from holdfast.pipeline.engine import Series
from holdfast.pipeline.on_ray.mailbox import Handle, Mailbox, Message
from holdfast.pipeline.on_ray.room import elsewhere, nodes, room
from holdfast.pipeline.on_ray.worker import FAULT, UNFIT, Order, Outcome, train_job
from holdfast.pipeline.schedule import Schedule, at_a_time
from holdfast.rundir import DEATHS, JobName, Position
from holdfast.storage.objects import named

_COUNT = 5.0  # seconds between two looks at what has room
_LISTEN = 0.2  # seconds to wait for messages before looking at the tasks
_MESSAGES = 50.0  # of progress, a second, from all workers together
_MOST_CALLS = 1_000_000
_LOOK_AT_NODES = 5.0  # seconds
_GRACE = 10.0  # seconds for Ray to start anew what a dead node had; it waits on one that hangs
_SAVE_AND_STOP = 15  # what workers hear where no signal is the reason


class Driver:
    """One start of a series on Ray. Nobody else writes the run's ledger."""

    def __init__(self, series: Series, needs: dict[str, float]) -> None:
        self._series = series
        self._ledger, self._display = series.run.ledger, series.display
        self._run = self._ledger.state.run
        self._schedule = Schedule(series.work, series.run.died(list(series.work)))
        self._mailbox = _mailbox()
        self._needs = needs
        self._start = uuid.uuid4().hex
        self._tasks: dict[ObjectRef[Outcome], JobName] = {}
        self._tickets: Counter[JobName] = Counter()
        self._places: dict[JobName, str] = {}
        """The node of each attempt that has begun."""
        self._missed: dict[JobName, float] = {}
        self._looked_at = time.monotonic()
        self._ended: set[JobName] = set()
        self._avoided: set[str] = set()
        """Nodes that would give other bits, cannot save, or hang."""
        self._most, self._next_count = 0, 0.0
        self._fault: HoldfastError | None = None

    def drive(self) -> None:
        """Train every job of the schedule.

        Raises:
            Interrupted: a signal asked for a stop; every worker has saved.
            HoldfastError: what befell a worker would befall the others as well; they have saved.
        """
        stop = self._series.stop
        try:
            while self._schedule and self._fault is None and not stop.heard():
                self._hand_out()
                self._look()
            self._let_all_stop(stop.signal or _SAVE_AND_STOP)
        except RayActorError as error:
            raise HoldfastError(
                "the actor beside the driver has died (out of memory?); nothing saved is lost, run "
                "the same command again"
            ) from error
        if self._fault is not None:
            raise self._fault
        stop.check("every worker")

    def _look(self) -> None:
        """Take back the tasks that have ended, after all that they have told."""
        tasks = list(self._tasks)
        done = ray.wait(tasks, num_returns=len(tasks), timeout=0)[0] if tasks else []
        for message in ray.get(self._mailbox.take.remote(_LISTEN)):
            self._hear(message)
        for task in done:
            if task in self._tasks:  # what was told may have had it withdrawn
                self._take_back(task)
        if time.monotonic() - self._looked_at > _LOOK_AT_NODES:
            self._look_at_nodes()

    def _look_at_nodes(self) -> None:
        """Take back what a node had that Ray holds for dead, and whose worker may yet live."""
        now = self._looked_at = time.monotonic()
        alive = {node["NodeID"] for node in nodes() if node["Alive"]}
        lost = [job for job, node in self._places.items() if node not in alive]
        self._missed = {job: self._missed.get(job, now) for job in lost}
        hanging = {job for job, since in self._missed.items() if now - since > _GRACE}
        if hanging:
            self._avoided |= {self._places[job] for job in hanging}
            self._missed.clear()
            # those that wait may wait for an answer of that node's, which Ray does for minutes
            self._withdraw(lambda job: job in hanging or job not in self._places)

    def _withdraw(self, of: Callable[[JobName], bool]) -> None:
        """Take tasks away from Ray, and hand their jobs out again."""
        for task, job in [(task, job) for task, job in self._tasks.items() if of(job)]:
            ray.get(self._mailbox.withdraw.remote(job, self._tickets[job]))
            # in a thread: it waits for the node that hangs
            threading.Thread(target=_cancel, args=(task,), daemon=True).start()
            self._forget(task)

    def _hand_out(self) -> None:
        # Ray starts a task anew whose worker or node dies; after that it is the schedule's turn
        placing = {**self._needs, **elsewhere(self._avoided)}
        task = ray.remote(train_job).options(max_retries=DEATHS - 1, **placing)
        self._count_room()
        while len(self._tasks) < self._most and (job := self._schedule.take()) is not None:
            self._tickets[job] += 1
            self._tasks[task.remote(self._order(job), self._mailbox)] = job

    def _count_room(self) -> None:
        """Look now and then how many tasks Ray is to know of."""
        if time.monotonic() < self._next_count:
            return
        most = at_a_time(room(self._needs, self._avoided))
        self._most = min(self._series.config.max_parallel or most, most)
        self._next_count = time.monotonic() + _COUNT

    def _order(self, job: JobName) -> Order:
        config, machine = self._series.config, self._run["machine"]
        settled = {
            "checkpoint_dir": named(config.checkpoint_dir),
            "data": None if config.data is None else named(config.data),
            **{name: machine[name] for name in ("device", "threads", "precision")},
        }
        workers = min(self._most, len(self._schedule))
        return Order(
            config=config.model_copy(update=settled),
            job=job,
            ticket=self._tickets[job],
            start=self._start,
            run_id=self._ledger.run_id,
            recorded={name: self._run[name] for name in ("machine", "classes", "data")},
            changes=tuple(self._ledger.changes_in(job)),
            show_interval=max(0.1, workers / _MESSAGES),
        )

    def _hear(self, message: Message) -> None:
        """Write down, show and count what a worker tells."""
        job, told = message.job, message.told
        if message.event == "begun":
            self._places[job] = told[0]
            self._missed.pop(job, None)
        elif message.event == "progress":
            self._display.progress(*told)
        elif message.event == "notice":
            self._display.notice(*told)
        else:
            write_down(self._ledger, message.event, told)
            self._follow(job, message.event, told[1] if len(told) > 1 else None)

    def _follow(self, job: JobName, event: str, told: object) -> None:
        if event == "entered":
            position = told if isinstance(told, Position) else None
            self._display.job_begins(job, position)
            self._judge(job, position)
        elif event == "completed" and isinstance(told, dict):
            self._display.job_ends(job, told)
            self._end(job)
        elif event == "failed":
            self._display.job_fails(job, str(told))
            self._end(job)

    def _judge(self, job: JobName, position: Position | None) -> None:
        """Take a job away from Ray, which would go on trying, where that gets it no further."""
        stuck = self._schedule.entered(job, position)
        if stuck == 0 or stuck % DEATHS:
            return
        self._display.notice(
            f"{job} died {stuck} times in a row at {position or 'its beginning'} (out of memory, "
            "or a crash in native code?): the others go first, then it is tried again"
        )
        self._withdraw(lambda other: other == job)

    def _take_back(self, task: "ObjectRef[Outcome]") -> None:
        try:
            outcome = ray.get(task)
        except RayTaskError:
            raise  # it is neither the job's fault nor the machine's
        except RayError:  # its worker or its node died, more often than Ray starts a task anew
            outcome = None
        if outcome is not None and outcome.kind == FAULT:
            self._fault = outcome.error
        elif outcome is not None and outcome.kind == UNFIT:
            self._avoid(outcome)
        self._forget(task)

    def _forget(self, task: "ObjectRef[Outcome]") -> None:
        job = self._tasks.pop(task)
        self._places.pop(job, None)
        if job in self._ended:
            return
        if self._schedule.is_hopeless(job):
            self._give_up(job)
        else:
            self._schedule.put_back(job)

    def _give_up(self, job: JobName) -> None:
        ray.get(self._mailbox.give_up.remote(job))
        error = "its process dies again and again, and gets it no further"
        self._ledger.failed(job, error)
        self._display.job_fails(job, error)
        self._end(job)

    def _end(self, job: JobName) -> None:
        self._ended.add(job)
        self._schedule.end(job)

    def _avoid(self, outcome: Outcome) -> None:
        """Place nothing more on a node that would not give the run's bits, or cannot save them."""
        if outcome.node not in self._avoided:
            self._avoided.add(outcome.node)
            self._display.notice(f"node {outcome.node[:8]} is left out: {outcome.error}")
        if outcome.error is not None and not room(self._needs, self._avoided):
            said = f"no machine of this cluster can train the run: {outcome.error}"
            outcome.error.args, self._fault = (said,), outcome.error

    def _let_all_stop(self, number: int) -> None:
        """Ask every worker to save and stop, and wait for those that have begun."""
        ray.get(self._mailbox.stop.remote(number))
        while any(job in self._places for job in self._tasks.values()):
            self._look()
        for task in self._tasks:  # those that wait for room; in threads, as above
            threading.Thread(target=_cancel, args=(task,), daemon=True).start()


def _cancel(task: "ObjectRef[Outcome]") -> None:
    ray.cancel(task, force=True)


def _mailbox() -> Handle:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Mailbox).options(
        num_cpus=0, max_concurrency=_MOST_CALLS, scheduling_strategy=here
    )
    return actor.remote()
