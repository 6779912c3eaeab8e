"""Claims to devices, the devices, and which of them are taken."""
