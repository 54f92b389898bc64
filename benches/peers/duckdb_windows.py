"""DuckDB: one query over the file, as its guide to performance says.

Columns and types are given, so nothing is sniffed and only four of eight fields are kept; insertion
order is not preserved; the result goes to Parquet, which it writes faster than CSV.
"""

import duckdb
from common import WINDOW_MS, arguments, report

args = arguments(__doc__)
db = duckdb.connect()
db.execute(f"SET threads = {args.cores}")
db.execute("SET preserve_insertion_order = false")
db.execute(
    f"""
    COPY (
        SELECT question_uuid, outcome_index, placed_at - placed_at % {WINDOW_MS} AS window_start,
               count(*) AS bets,
               sum(micros)::BIGINT AS sum_odds,
               min(micros) AS min_odds,
               max(micros) AS max_odds,
               round_even(sum(micros)::BIGINT / count(*), 0)::BIGINT AS avg_odds
        FROM (
            SELECT * EXCLUDE (odds), (odds * 1_000_000)::BIGINT AS micros
            FROM read_json(
                $file, format = 'newline_delimited',
                columns = {{question_uuid: 'UUID', outcome_index: 'UTINYINT', odds: 'DECIMAL(18,6)', placed_at: 'BIGINT'}}
            )
        )
        GROUP BY ALL
    ) TO '{args.output}/rows.parquet' (FORMAT parquet, COMPRESSION uncompressed)
    """,
    {"file": args.inputs[0]},
)
report(duckdb.__version__, f"SQL, {args.cores} threads, types given, insertion order not preserved, to Parquet")
