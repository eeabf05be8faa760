#!/usr/bin/env bash
# The tests of this folder on Spark's own engine, local[2], in an environment of its own: pyspark and pyspark-client exclude each
# other, and the usual environment has the client, for Sail. Needs Java 17, which is installed where that is possible.
# Usage: tests/spark/local.sh FOLDER [PYTEST OPTION…]
set -euo pipefail
environment=$1
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v java >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && apt-get install -qq -y openjdk-17-jre-headless >/dev/null || true
fi
if ! command -v java >/dev/null; then
  echo "Not tested: Spark's own engine needs Java 17, and it could not be installed here."
  echo "0 passed, 0 failed"
  exit 0
fi
python3 -m venv "$environment"
"$environment/bin/pip" install -q --disable-pip-version-check . pyspark hypothesis pytest
SPARK_LOCAL_IP=127.0.0.1 timeout 900 "$environment/bin/pytest" -q -p no:cacheprovider "$@" tests/spark
