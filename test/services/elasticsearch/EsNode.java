import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Starts one Elasticsearch node from its jars; arguments are its home and `key=value` settings. */
public class EsNode {
    public static void main(String[] args) throws Exception {
        LogConfigurator.configureESLogging();
        var home = Path.of(args[0]);
        var settings = Settings.builder().put("path.home", home);
        for (int i = 1; i < args.length; i++) {
            var at = args[i].indexOf('=');
            settings.put(args[i].substring(0, at), args[i].substring(at + 1));
        }
        var config = home.resolve("config");
        var env = InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), config, () -> "n1");
        var bundles = PluginsLoader.loadModulesBundles(env.modulesDir());
        var node = new Node(env, PluginsLoader.createPluginsLoader(bundles, Set.of(), Map.of()));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        Thread.currentThread().join();
    }
}
