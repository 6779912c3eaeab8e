"""Hears from CloudEvents and from stores what data comes, and keeps it for the pods that will read it."""
