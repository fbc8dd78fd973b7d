#!/bin/bash
# A configuration template of Higress's all-in-one image, which runs it at each start before its API server: the image's own
# template for AI routes (once), then our settings of ai-statistics (each time, so that the file beside this one is what holds).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bash "$here/ai-gateway.sh"
mkdir -p /data/wasmplugins
# The image's API server keeps its objects as files, and each with a version.
sed 's/^  namespace: .*/&\n  resourceVersion: "1"/' /opt/tokentail/ai-statistics.yaml >/data/wasmplugins/ai-statistics-1.0.0.yaml
