"""`python -m layercast`."""

from layercast.cli import main

raise SystemExit(main())
