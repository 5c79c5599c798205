"""The warehouse: what dbt builds from the lake, how it is published to analysts, and how it is read.

Models and their tests are in `dbt_warehouse/`; the figures of the daily summary are in `kpis.summary`.
"""
