"""What the learner answers the other roles, and the part they keep in it."""

import dataclasses
import threading

import courier
import pytest
import tensorflow as tf

from apex_tf import coordinator as coordinator_lib
from apex_tf import learner_client
from apex_tf import learner_service
from apex_tf import leases
from apex_tf import membership as membership_lib
from apex_tf import transfers
from apex_tf import variables
from apex_tf import waiting
from apex_tf.monitoring import status as status_lib
from configs import cartpole


@pytest.fixture
def config():
  return cartpole.get_config()


@pytest.fixture
def heard():
  return []


@pytest.fixture
def service(config, heard):
  return learner_service.LearnerService(
      variables.VariablePublisher([tf.Variable([1.0])]),
      coordinator_lib.Coordinator(config.run), config, heard.append)


@pytest.fixture
def address(service):
  server = courier.Server()
  for method in service.METHODS:
    server.Bind(method, getattr(service, method))
  server.Start()
  yield f'localhost:{server.port}'
  server.Stop()


def _report(owner, incarnation, agent_steps=5):
  return dataclasses.asdict(status_lib.ActorReport(
      owner=owner, incarnation=incarnation, agent_steps=agent_steps))


def test_a_configuration_that_differs_is_refused_by_its_fields(service, config):
  config = dataclasses.replace(config)
  same = service.join('actor_0', 'host', '1', config.to_json())
  assert same == {'refused': '', 'held_by': ''}
  other = cartpole.get_config()
  other.agent.n_step, other.actor.num_actors = 7, 5
  refused = service.join('actor_1', 'host', '2', other.to_json())['refused']
  assert refused == (
      'agent.n_step is 7, but must be 10; actor.num_actors is 5, but must be '
      f'{config.actor.num_actors}, as the learner has it')
  text = config.to_json().replace('"n_step"', '"n_steps"')
  assert 'n_steps' in service.join('actor_1', 'host', '2', text)['refused']


def test_a_place_is_had_by_one(service, config):
  text = config.to_json()
  assert service.join('actor_0', 'a', '1', text)['held_by'] == ''
  assert service.join('actor_0', 'b', '2', text)['held_by'] == 'a'
  assert service.join('actor_1', 'b', '2', text)['held_by'] == ''
  # What another reports by that name does not count.
  assert service.report_actor(0, _report('a', '1')) == status_lib.FILLING
  assert service.report_actor(0, _report('b', '2', 100)) == status_lib.TAKEN
  assert service.get_counts()['agent_steps'] == 5
  # The next process of the same supervisor need not wait.
  assert service.join('actor_0', 'a', '3', text)['held_by'] == ''
  service.leave('actor_0', 'b', '2')
  assert service.join('actor_0', 'b', '2', text)['held_by'] == 'a'
  service.leave('actor_0', 'a', '3')
  assert service.join('actor_0', 'b', '2', text)['held_by'] == ''


def test_only_who_has_the_place_is_heard(service, config, heard):
  service.join('evaluator', 'a', '1', config.to_json())
  assert service.get_phase('evaluator', 'a', '1') == status_lib.FILLING
  assert service.get_phase('evaluator', 'b', '2') == status_lib.TAKEN
  service.report_actor(3, _report('a', '1'))
  service.report_actor(3, _report('b', '2'))
  assert heard == ['evaluator', 'actor_3']


def test_who_has_lost_its_place_ends(service, address, config):
  first, second = (membership_lib.Membership(
      learner_client.connect(address), 'evaluator') for _ in range(2))
  stop, patience = threading.Event(), waiting.Patience(60.0)
  assert first.join(config, stop, patience)
  assert first.get_phase() == status_lib.FILLING
  first.leave()
  assert second.join(config, stop, patience)
  with pytest.raises(leases.RefusedError,
                     match='another process is evaluator by now'):
    first.get_phase()
  assert second.get_phase() == status_lib.FILLING


def test_a_wait_for_a_place_may_be_stopped(service, address, config):
  service.join('evaluator', 'other', '1', config.to_json())
  stop = threading.Event()
  threading.Timer(0.5, stop.set).start()
  assert not membership_lib.Membership(
      learner_client.connect(address), 'evaluator').join(
          config, stop, waiting.Patience())


def test_variables_are_fetched_in_turns(service, address):
  for number in range(transfers.MAX_TRANSFERS):
    assert service.begin_transfer(str(number))
  source = learner_client.variables_at(address)
  assert source.get_variables(['learner_step']) == [0]
  received = []
  thread = threading.Thread(
      target=lambda: received.extend(source.get_variables(['policy'])))
  thread.start()
  thread.join(1.0)
  assert thread.is_alive() and not received
  service.end_transfer('5')
  thread.join(30.0)
  assert received[0][0] == [1.0]
  assert service.begin_transfer('another')  # It was given back.


def _evaluation(learner_step, final=False):
  return {'learner_step': learner_step, 'agent_steps': 5,
          'environment_frames': 5, 'wall_seconds': 1.0, 'returns': [1.0],
          'complete': True, 'final': final, 'mean': 1.0, 'std': 0.0}


def _measured(coordinator):
  return [(evaluation.learner_step, evaluation.final)
          for evaluation in coordinator.status().evaluations]


def test_an_evaluation_of_a_lost_version_is_left_out(config):
  publisher = variables.VariablePublisher([tf.Variable([1.0])])
  coordinator = coordinator_lib.Coordinator(config.run)
  service = learner_service.LearnerService(publisher, coordinator, config)
  config.run.max_learner_steps = 50
  coordinator.report_learner(30)
  # As a learner does that was started again, from a checkpoint of step 20.
  publisher.publish(20)
  publisher.keep(variables.Version(10, [1.0]))
  assert service.report_evaluation(_evaluation(25)) == status_lib.LEARNING
  assert service.report_evaluation(_evaluation(25, final=True)) == (
      status_lib.LEARNING)
  assert not _measured(coordinator)
  service.report_evaluation(_evaluation(10))  # That the checkpoint has kept.
  service.get_and_keep_variables([variables.VERSION])
  publisher.publish(40)
  service.report_evaluation(_evaluation(20))  # And one of its own.
  assert _measured(coordinator) == [(10, False), (20, False)]
  # Nor is a final one taken while this process still learns.
  assert service.report_evaluation(_evaluation(40, final=True)) == (
      status_lib.LEARNING)
  service.give_up_final_evaluation()
  assert coordinator.report_learner(50) == status_lib.STOPPING
  service.report_evaluation(_evaluation(40, final=True))
  coordinator.begin_final_evaluation()
  service.report_evaluation(_evaluation(25, final=True))
  assert coordinator.get_phase() == status_lib.FINAL_EVALUATION
  for _ in range(2):  # As Courier may repeat it.
    assert service.report_evaluation(_evaluation(40, final=True)) == (
        status_lib.DONE)
  assert _measured(coordinator) == [(10, False), (20, False), (40, True)]
