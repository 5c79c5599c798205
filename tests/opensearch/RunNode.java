import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node in this process, on this machine only; prints its HTTP address and ends with standard input. */
public class RunNode extends Node {
    RunNode(Environment environment, Collection<Class<? extends Plugin>> plugins) {
        super(environment, plugins, true);
    }

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Files.createDirectories(home);
        Settings settings = Settings.builder()
                .put("path.home", home)
                .put("cluster.name", "intelsec-test")
                .put("node.name", "one")
                .put("discovery.type", "single-node")
                .put("transport.type", "netty4")
                .put("http.type", "netty4")
                .put("network.host", "127.0.0.1")
                .put("http.port", "0")
                .put("transport.port", "0")
                .put("cluster.routing.allocation.disk.threshold_enabled", false)
                .build();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home, () -> "one");
        try (RunNode node = new RunNode(
                environment, List.of(Netty4Plugin.class, CommonAnalysisPlugin.class, PainlessPlugin.class))) {
            node.start();
            var http = node.injector().getInstance(org.opensearch.http.HttpServerTransport.class);
            System.out.println("http " + http.boundAddress().publishAddress());
            System.out.flush();
            while (System.in.read() != -1) {}
        }
    }
}
