"""Apache Flink SQL: a streaming job with event-time watermarks and a tumbling window, on the local
cluster that the package brings.

As its documentation recommends: the windowing table-valued function, whose aggregation runs in two
phases; object reuse; one source split a core; odds as decimals, which are integers from there on.
The watermark is as far behind as a bet may be late, since a window function drops what is later.
"""

import os
import re
from importlib.metadata import version

from common import LATENESS_MS, WINDOW_MS, arguments, report
from pyflink.table import EnvironmentSettings, TableEnvironment

args = arguments(__doc__)
table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
for key, value in {
    "parallelism.default": str(args.cores),
    "pipeline.object-reuse": "true",
    "table.local-time-zone": "UTC",
}.items():
    table.get_config().set(key, value)

table.execute_sql(
    f"""
    CREATE TABLE bets (
        question_uuid STRING,
        outcome_index INT,
        odds DECIMAL(18, 6),
        placed_at BIGINT,
        placed AS TO_TIMESTAMP_LTZ(placed_at, 3),
        WATERMARK FOR placed AS placed - INTERVAL '{LATENESS_MS // 1000}' SECOND({len(str(LATENESS_MS // 1000))})
    ) WITH (
        'connector' = 'filesystem',
        'path' = '{os.path.dirname(args.inputs[0])}',
        'source.path.regex-pattern' = '{"|".join(map(re.escape, args.inputs))}',
        'format' = 'json'
    )
    """
)
table.execute_sql(
    """
    CREATE VIEW in_micros AS
    SELECT question_uuid, outcome_index, CAST(odds * 1000000 AS BIGINT) AS micros, placed FROM bets
    """
)
table.execute_sql(
    f"""
    CREATE TABLE odds_windows (
        question_uuid STRING, outcome_index INT, window_start BIGINT,
        bets BIGINT, sum_odds BIGINT, min_odds BIGINT, max_odds BIGINT, avg_odds BIGINT
    ) WITH ('connector' = 'filesystem', 'path' = '{args.output}', 'format' = 'csv')
    """
)
job = table.execute_sql(
    f"""
    INSERT INTO odds_windows
    SELECT question_uuid, outcome_index, window_start, bets, sum_odds, min_odds, max_odds,
           CASE WHEN 2 * MOD(sum_odds, bets) > bets OR (2 * MOD(sum_odds, bets) = bets AND MOD(sum_odds / bets, 2) = 1)
                THEN sum_odds / bets + 1
                ELSE sum_odds / bets END
    FROM (
        SELECT question_uuid, outcome_index,
               1000 * CAST(TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start) AS BIGINT) AS window_start,
               COUNT(*) AS bets, SUM(micros) AS sum_odds, MIN(micros) AS min_odds, MAX(micros) AS max_odds
        FROM TUMBLE(
            DATA => TABLE in_micros,
            TIMECOL => DESCRIPTOR(placed),
            SIZE => INTERVAL '{WINDOW_MS // 60_000}' MINUTE
        )
        GROUP BY question_uuid, outcome_index, window_start, window_end
    )
    """
)
job.wait()
report(
    version("apache-flink"),
    f"SQL, streaming, parallelism {args.cores}, TUMBLE, watermark 10 min behind, object reuse, heap state, to CSV",
)
