"""Command lines of apex_tf."""
