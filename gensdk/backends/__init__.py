"""Backends: one folder or file for each provider, and none of them knows another."""
