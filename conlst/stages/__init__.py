"""The three stages of a run. Each module has one public function, `train`."""
