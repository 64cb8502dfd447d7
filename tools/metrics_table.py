"""The table of Prometheus metrics in Markdown, from the table that the code exports."""

from learnae.adapters.metrics.metric_list import TABLE


def metrics_table() -> str:
    lines = ["| metric | kind | unit | labels besides peer and role | meaning |", "|---|---|---|---|---|"]
    for row in TABLE:
        labels = "; ".join(name + (f": {', '.join(values)}" if values else "") for name, values in row.labels.items())
        lines.append(f"| `{row.name}` | {row.kind} | {row.unit} | {labels} | {row.help} |")
    return "\n".join(lines)
