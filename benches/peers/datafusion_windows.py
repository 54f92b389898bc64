"""DataFusion: one query over Arrow batches in memory, from the batches read to the rows collected.

Its own release build, as the package brings it. One partition of the input a core, and as many for
the query. Rounding the average half to even and writing the rows are not timed.
"""

import time

import datafusion
import pyarrow as pa
from common import arguments, report

args = arguments(__doc__)
partitions = [pa.ipc.open_file(path.replace(".jsonl", ".arrow")) for path in args.inputs]
partitions = [[file.get_batch(n) for n in range(file.num_record_batches)] for file in partitions]

context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(args.cores))
context.register_record_batches("bets", partitions)
begun = time.perf_counter()
rows = context.sql(
    """
    SELECT question_uuid, outcome_index,
           date_bin(INTERVAL '5 minutes', placed_at) AS window_start,
           count(*) AS bets, sum(odds) AS sum_odds, min(odds) AS min_odds, max(odds) AS max_odds,
           sum(odds) / count(*) AS avg_odds
    FROM bets
    GROUP BY question_uuid, outcome_index, window_start
    """
).collect()
pass_s = time.perf_counter() - begun

context.register_record_batches("rows", [rows])
context.sql(
    """
    SELECT question_uuid, outcome_index, arrow_cast(window_start, 'Int64') / 1000000 AS window_start, bets,
           arrow_cast(sum_odds * 1000000, 'Int64'), arrow_cast(min_odds * 1000000, 'Int64'),
           arrow_cast(max_odds * 1000000, 'Int64'),
           -- The quotient has ten decimals: enough to tell a tie from its neighbours at these counts.
           CASE WHEN t % 10000 > 5000 OR (t % 10000 = 5000 AND t / 10000 % 2 = 1) THEN 1 ELSE 0 END + t / 10000
    FROM (SELECT *, arrow_cast(avg_odds * 10000000000, 'Int64') AS t FROM rows)
    """
).write_parquet(f"{args.output}/rows", compression="uncompressed")
settings = f"SQL, {args.cores} partitions, batches and rows in memory"
report(datafusion.__version__, settings, pass_s=pass_s)
