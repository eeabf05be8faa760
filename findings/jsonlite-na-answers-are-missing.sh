#!/usr/bin/env bash
# jsonlite (R) reads the answer "NA" as a missing value, and the answers "NaN" and "Inf" as numbers.
#
# One would guess: a JSON text is a text, and only null is missing.
# What happens: stream_in() makes a vector of the texts of each message. If all of them are "NA", "NaN", "Inf" or "-Inf", the vector is
#   numeric or logical: an answer "NA" is NA, like the content null of a refusal. Ids are texts if one of them is another text.
# Version: jsonlite 1.8.4 with R 4.2.2, of Debian 12 (amd64); jsonlite 2.0.0 does the same, 2026-11-28.
# Why it matters for batch files: "NA" is the usual label for "not applicable", and the code of Namibia. All these answers are counted
#   as failures. With simplifyVector = FALSE they are texts.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq r-base-core=4.2.2.20221110-2 r-cran-jsonlite=1.8.4+dfsg-1 libblas3=3.11.0-2 liblapack3=3.11.0-2 libgfortran5 2> apt.txt \
  || { cat apt.txt; exit 1; }
for package in *.deb; do
  dpkg-deb -x "$package" .
done
answers='NA yes Inf'
number=0
for answer in $answers; do
  number=$((number + 1))
  message='{"role":"assistant","content":"'$answer'","refusal":null}'
  body='{"id":"c","choices":[{"index":0,"message":'$message',"finish_reason":"stop"}]}'
  echo '{"custom_id":"row-'$number'","response":{"status_code":200,"request_id":"q","body":'$body'},"error":null}'
done > output.jsonl
cat > run.R <<'R'
library(jsonlite, warn.conflicts = FALSE)
results <- stream_in(file("output.jsonl"), verbose = FALSE)
contents <- lapply(results$response$body$choices, function(choices) choices$message$content)
found <- sapply(contents, function(content) paste(class(content), content))
plain <- stream_in(file("output.jsonl"), simplifyVector = FALSE, verbose = FALSE)
texts <- sapply(plain, function(line) line$response$body$choices[[1]]$message$content)
cat(sprintf("%s: %-12s simplifyVector = FALSE: %s\n", results$custom_id, found, texts), sep = "")
expected <- c("logical NA", "character yes", "numeric Inf")
quit(status = if (identical(found, expected) && identical(texts, c("NA", "yes", "Inf"))) 0 else 1)
R
libraries=$work/usr/lib/R/lib:$work/usr/lib/x86_64-linux-gnu:$work/usr/lib/x86_64-linux-gnu/blas:$work/usr/lib/x86_64-linux-gnu/lapack
R_HOME=$work/usr/lib/R R_SHARE_DIR=$work/usr/share/R R_LIBS=$work/usr/lib/R/site-library LD_LIBRARY_PATH=$libraries \
  "$work/usr/lib/R/bin/exec/R" --vanilla --no-echo -f run.R
