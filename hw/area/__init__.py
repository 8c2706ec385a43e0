"""Area and timing without the vendor's tools: synthesis of each distinct tile, counted and timed.

Every figure is an estimate: nothing is placed or routed here.
"""
