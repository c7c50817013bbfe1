"""THE CORE: samples of many streams go in, events come out. No thread of its own, clock, file or socket below ``engine``."""
