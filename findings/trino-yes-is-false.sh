#!/usr/bin/env bash
# Trino reads "yes", "n/a" and 1 as false when a column of a JSONL table is boolean.
#
# One would guess: a value that does not fit the type of its column is null or an error. The same readers do that for numbers: "n/a" in a
#   bigint column is null with the OpenX SerDe, and an error with Hive's.
# What happens: both readers compare the text with "true", in any case, and all other values are false: "yes", "1", "n/a", 1, and "true "
#   with a space. Only null stays null. There is no error, and the table's property ignore.malformed.json makes no difference.
# Version: Trino 483 (trino-hive-formats), Temurin 25, 2026-11-28. It needs a JDK of version 25 or later, in JAVA_HOME or /usr/lib/jvm.
# Why it matters for batch files: without Structured Outputs, models write "yes", 1 or "unclear" where a yes or no was asked for. A count of
#   the answers that are false takes in those that say yes, and no row looks like a failure.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
java=${JAVA_HOME:-none}
[[ -x $java/bin/java && $("$java/bin/java" --version | head -1 | cut -d' ' -f2 | cut -d. -f1) -ge 25 ]] || java=$(ls -d /usr/lib/jvm/*25* | head -1)
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>io.trino</groupId><artifactId>trino-hive-formats</artifactId><version>483</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B -Dmaven.repo.local="$work/repository" dependency:copy-dependencies -DoutputDirectory="$work/jars" > maven.log 2>&1 || { cat maven.log; exit 1; }
cat > Finding.java <<'JAVA'
import static java.nio.charset.StandardCharsets.UTF_8;

import io.trino.hive.formats.line.Column;
import io.trino.hive.formats.line.LineBuffer;
import io.trino.hive.formats.line.LineDeserializer;
import io.trino.hive.formats.line.LineDeserializerFactory;
import io.trino.hive.formats.line.json.JsonDeserializerFactory;
import io.trino.hive.formats.line.openxjson.OpenXJsonDeserializerFactory;
import io.trino.spi.PageBuilder;
import io.trino.spi.block.Block;
import io.trino.spi.type.BigintType;
import io.trino.spi.type.BooleanType;
import io.trino.spi.type.Type;
import java.util.List;
import java.util.Map;

public class Finding {
    static String read(LineDeserializerFactory factory, Type type, String value, String ignore) {
        try {
            LineDeserializer reader = factory.create(List.of(new Column("x", type, 0)), Map.of("ignore.malformed.json", ignore));
            PageBuilder page = new PageBuilder(reader.getTypes());
            byte[] bytes = ("{\"x\":" + value + "}").getBytes(UTF_8);
            LineBuffer line = new LineBuffer(1, 1000);
            line.write(bytes, 0, bytes.length);
            reader.deserialize(line, page);
            Block block = page.build().getBlock(0);
            if (block.isNull(0)) return "null";
            return type == BooleanType.BOOLEAN ? "" + BooleanType.BOOLEAN.getBoolean(block, 0) : "" + BigintType.BIGINT.getLong(block, 0);
        } catch (Exception error) {
            return "error";
        }
    }

    public static void main(String[] arguments) {
        boolean same = true;
        for (LineDeserializerFactory factory : List.of(new OpenXJsonDeserializerFactory(), new JsonDeserializerFactory())) {
            boolean openx = factory instanceof OpenXJsonDeserializerFactory;
            System.out.println(openx ? "OpenX" : "Hive");
            for (String value : List.of("\"yes\"", "\"1\"", "\"n/a\"", "1", "\"true \"")) {
                String answer = read(factory, BooleanType.BOOLEAN, value, "false");
                String ignoring = read(factory, BooleanType.BOOLEAN, value, "true");
                String number = read(factory, BigintType.BIGINT, value, "false");
                System.out.println("  " + value + ": boolean " + answer + ", bigint " + number);
                same &= answer.equals("false") && ignoring.equals("false");
                if (value.equals("\"n/a\"")) same &= number.equals(openx ? "null" : "error");
            }
            String written = read(factory, BooleanType.BOOLEAN, "\"TRUE\"", "false");
            String missing = read(factory, BooleanType.BOOLEAN, "null", "false");
            System.out.println("  \"TRUE\": boolean " + written + "; null: boolean " + missing);
            same &= written.equals("true") && missing.equals("null");
        }
        System.exit(same ? 0 : 1);
    }
}
JAVA
"$java/bin/java" -cp "$work/jars/*" Finding.java 2> java.log || { cat java.log; exit 1; }
