// Opens a published warehouse file as a JDBC client such as DBeaver does: read only, catalogue through DatabaseMetaData,
// then every row of every view. What should be found is known by tests/integration/test_jdbc.py.
//
// Prints lines of fields separated by tabs:
//   driver    version
//   schema    name
//   relation  schema  name  type  remarks
//   column    schema  relation  name  type  remarks
//   rows      schema  relation  number
//   values    schema  relation  column  Java class  not null  largest, written as below

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;

public final class ReadWarehouse {
    private ReadWarehouse() {
    }

    public static void main(String[] arguments) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("duckdb.read_only", "true");
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:" + arguments[0], properties)) {
            DatabaseMetaData catalogue = connection.getMetaData();
            say("driver", catalogue.getDatabaseProductVersion());
            // others than the file's own are of the driver: system, temp
            String database = connection.getCatalog();
            try (ResultSet schemas = catalogue.getSchemas(database, null)) {
                while (schemas.next()) {
                    say("schema", schemas.getString("TABLE_SCHEM"));
                }
            }
            List<String[]> relations = relations(catalogue, database);
            columns(catalogue, database);
            for (String[] relation : relations) {
                read(connection, relation[0], relation[1]);
            }
        }
    }

    private static List<String[]> relations(DatabaseMetaData catalogue, String database) throws SQLException {
        List<String[]> found = new ArrayList<>();
        try (ResultSet tables = catalogue.getTables(database, null, "%", null)) {
            while (tables.next()) {
                String schema = tables.getString("TABLE_SCHEM");
                String name = tables.getString("TABLE_NAME");
                say("relation", schema, name, tables.getString("TABLE_TYPE"), tables.getString("REMARKS"));
                found.add(new String[] {schema, name});
            }
        }
        return found;
    }

    private static void columns(DatabaseMetaData catalogue, String database) throws SQLException {
        try (ResultSet columns = catalogue.getColumns(database, null, "%", "%")) {
            while (columns.next()) {
                say(
                    "column",
                    columns.getString("TABLE_SCHEM"),
                    columns.getString("TABLE_NAME"),
                    columns.getString("COLUMN_NAME"),
                    columns.getString("TYPE_NAME"),
                    columns.getString("REMARKS")
                );
            }
        }
    }

    private static void read(Connection connection, String schema, String name) throws SQLException {
        String query = "select * from \"" + schema + "\".\"" + name + "\"";
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            ResultSetMetaData columns = rows.getMetaData();
            int width = columns.getColumnCount();
            long number = 0;
            long[] filled = new long[width];
            String[] classes = new String[width];
            Object[] largest = new Object[width];
            while (rows.next()) {
                number++;
                for (int i = 0; i < width; i++) {
                    Object value = rows.getObject(i + 1);
                    if (rows.wasNull()) {
                        continue;
                    }
                    filled[i]++;
                    classes[i] = value.getClass().getSimpleName();
                    if (largest[i] == null || compared(value, largest[i]) > 0) {
                        largest[i] = value;
                    }
                }
            }
            say("rows", schema, name, Long.toString(number));
            for (int i = 0; i < width; i++) {
                String shown = largest[i] == null ? "" : written(largest[i]);
                say("values", schema, name, columns.getColumnName(i + 1), classes[i], Long.toString(filled[i]), shown);
            }
        }
    }

    /** By the values' own order; UUIDs by their text, since Java compares their halves as signed numbers. */
    @SuppressWarnings("unchecked")
    private static int compared(Object one, Object other) {
        if (one instanceof UUID) {
            return one.toString().compareTo(other.toString());
        }
        return ((Comparable<Object>) one).compareTo(other);
    }

    /** Instants as microseconds since 1970, doubles by their bits, else the value's own text. */
    private static String written(Object value) {
        if (value instanceof OffsetDateTime moment) {
            return Long.toString(ChronoUnit.MICROS.between(Instant.EPOCH, moment.toInstant()));
        }
        if (value instanceof Double number) {
            return String.format("%016x", Double.doubleToLongBits(number));
        }
        return value.toString();
    }

    private static void say(String... fields) {
        StringBuilder line = new StringBuilder();
        for (String field : fields) {
            if (line.length() > 0) {
                line.append('\t');
            }
            String text = field == null ? "" : field;
            line.append(text.replace("\\", "\\\\").replace("\t", "\\t").replace("\r", "\\r").replace("\n", "\\n"));
        }
        System.out.println(line);
    }
}
