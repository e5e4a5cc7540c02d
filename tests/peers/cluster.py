"""A Dask cluster on loopback: its scheduler's port on one line, and at each line that comes in what its workers did.

Begun by `test_dask`, in an interpreter that sees wharfage and Dask; ends with its standard input.
"""

import sys

from distributed import Client, LocalCluster, Worker


def done(dask_worker: Worker) -> int:
    """Tasks that a worker has computed."""
    return int(dask_worker.state.executed_count)


def main() -> None:
    """Serve until nobody listens."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        print(cluster.scheduler.port, flush=True)
        for _ in sys.stdin:
            print(sum(client.run(done).values()), flush=True)


if __name__ == "__main__":
    main()
