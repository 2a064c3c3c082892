"""What the learner's process offers to the other roles, over Courier."""

from typing import Any, Callable, Dict, List, Sequence

from absl import logging
from acme import core

from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import leases as leases_lib
from apex_tf import settings
from apex_tf import transfers
from apex_tf.monitoring import status as status_lib


class LearnerService(core.VariableSource):
  """What the learner's process offers to the other roles.

  Every method is idempotent: Courier repeats a call that was under way when
  its server went down.
  """

  def __init__(self, learner: Any,
               coordinator: coordinator_lib.Coordinator,
               config: config_lib.Config,
               heard: Callable[[str], None] = lambda role: None):
    """Initializes a service.

    Args:
      learner: has the variables, and the methods for them of
        `learner.Learner`.
      coordinator: takes the reports.
      config: of the run; the other roles need to have it as well.
      heard: is told the name of each actor and evaluator that calls.
    """
    self._learner = learner
    self._coordinator = coordinator
    self._config = config
    self._heard = heard
    self._leases = leases_lib.Leases()
    self._turns = transfers.Turns()

  def join(self, role: str, owner: str, incarnation: str,
           config: str) -> Dict[str, str]:
    """Asks to take part in the run; asked before anything else.

    Args:
      role: such as "actor_3", of which there is one at a time.
      owner: of the process that asks, see `leases.Holder`.
      incarnation: likewise.
      config: of that process, as JSON.

    Returns:
      "refused", why it may not, and "held_by", the owner of another process
      that has that role now; both "" where it may.
    """
    try:
      changed = [
          f'{field} is {value!r}, but must be {ours!r}'
          for field, value, ours in settings.disagreements(
              config_lib.Config.from_json(config), self._config)]
    except ValueError as error:  # Another version has other fields.
      changed = [str(error)]
    if changed:
      return {'refused': f'{"; ".join(changed)}, as the learner has it',
              'held_by': ''}
    other = self._leases.take(role, leases_lib.Holder(owner, incarnation))
    return {'refused': '', 'held_by': other.owner if other else ''}

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """See `Learner.get_variables`."""
    return self._learner.get_variables(names)

  def begin_transfer(self, client: str) -> bool:
    """See `transfers.Turns`."""
    return self._turns.begin_transfer(client)

  def end_transfer(self, client: str) -> None:
    """See `transfers.Turns`."""
    self._turns.end_transfer(client)

  def get_and_keep_variables(self, names: Sequence[str]) -> List[Any]:
    """See `Learner.get_and_keep_variables`."""
    return self._learner.get_and_keep_variables(names)

  def get_counts(self) -> Any:
    """See `Coordinator.get_counts`."""
    return self._coordinator.get_counts()

  def leave(self, role: str, owner: str, incarnation: str) -> None:
    """Gives back what `join` gave; for who ends as it should."""
    self._leases.give_back(role, leases_lib.Holder(owner, incarnation))

  def get_phase(self, role: str, owner: str, incarnation: str) -> str:
    """See `Coordinator.get_phase`; `TAKEN` where another has that role.

    For those who report nothing else; arguments as of `join`.
    """
    if self._leases.take(role, leases_lib.Holder(
        owner, incarnation)) is not None:
      return status_lib.TAKEN
    self._heard(role)
    return self._coordinator.get_phase()

  def report_actor(self, index: int, report: Any) -> str:
    """See `Coordinator.report_actor`; `TAKEN` where another has that index."""
    role = f'actor_{index}'
    if self._leases.take(role, leases_lib.Holder(
        report['owner'], report['incarnation'])) is not None:
      return status_lib.TAKEN
    self._heard(role)
    return self._coordinator.report_actor(index, report)

  def report_evaluation(self, evaluation: Any) -> str:
    """See `Coordinator.report_evaluation`.

    An evaluation that was begun with the learner's last process may be of a
    version that went down with it, which could not be published again, or a
    final one, while this process still learns. Both are left out.
    """
    phase = self._coordinator.get_phase()
    measured = evaluation['learner_step']
    if evaluation['final']:
      fits = phase == status_lib.FINAL_EVALUATION and (
          measured == self._learner.published_version)
    else:
      fits = measured == self._learner.kept_variables.learner_step
    if not fits:
      logging.info('An evaluation of version %d is left out, which is not of '
                   'this process, or comes too late.', measured)
      return phase
    return self._coordinator.report_evaluation(evaluation)

  def give_up_final_evaluation(self) -> None:
    """The evaluator finished no episode in its time: the run ends without."""
    if self._coordinator.get_phase() == status_lib.FINAL_EVALUATION:
      self._coordinator.finish()

  METHODS = ('join', 'leave', 'get_variables', 'begin_transfer',
             'end_transfer', 'get_and_keep_variables', 'get_counts',
             'get_phase', 'report_actor', 'report_evaluation',
             'give_up_final_evaluation')
