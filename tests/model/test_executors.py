"""Who gets work done: processes of this machine or a real scheduler's workers, each prepared once."""

import os

import pytest

from ohmgate.model.executors import executor_for, prepared_workers
from ohmgate.model.formats import DesignError


def prepare(folder, number):
    """Leaves a line for each worker that is prepared."""
    with open(folder / "prepared", "a") as file:
        file.write(f"{os.getpid()}\n")
    return number


def work(shared, number):
    return shared * number, os.getpid()


def check(submit, folder):
    """Results are right; those who made them were prepared, each once."""
    futures = [submit(number) for number in range(20)]
    results, workers = zip(*(future.result() for future in futures))
    assert list(results) == [7 * number for number in range(20)]
    prepared = (folder / "prepared").read_text().split()
    assert len(set(prepared)) == len(prepared) <= 2
    assert {str(worker) for worker in workers} <= set(prepared)
    assert str(os.getpid()) not in prepared


def test_processes_of_this_machine_are_prepared_once(tmp_path):
    with prepared_workers("local", 2, prepare, (tmp_path, 7), work) as submit:
        check(submit, tmp_path)


@pytest.mark.slow
def test_a_schedulers_workers_are_prepared_once_and_forget(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed (extra: cluster) is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options, dashboard_address=None) as cluster:
        name = f"dask:{cluster.scheduler_address}"
        with prepared_workers(name, 1, prepare, (tmp_path, 7), work) as submit:
            check(submit, tmp_path)
        with executor_for(name) as pool:
            assert {pool.submit(kept).result() for _ in range(8)} == {0}


def kept():
    from ohmgate.model import executors

    return len(executors._kept)


@pytest.mark.parametrize("name", ["slurm", "dask", "dask:", ""])
def test_what_is_no_executor_is_one_sentence(name):
    for made in (executor_for(name), prepared_workers(name, 1, prepare, (), work)):
        with pytest.raises(DesignError) as error, made:
            pass
        assert str(error.value) == f"executor must be local or dask:ADDRESS, not {name!r}"
