"""The databases' histories, applied by Alembic and configured in code: `migrations.runner`."""
