/**
 * The Java of this project, as text: how Temporal's test server is started. Its own main class
 * would do, but for five things.
 *
 * It listens on every interface, and a test server lets everyone in: this one takes the same
 * arguments and listens on 127.0.0.1. It also prints the port, so that 0 can be asked for.
 *
 * And it does not know the timeout of sticky queues (`scheduleToStartTimeout`): the workflow
 * tasks of a worker that was killed wait for it for ever, where a production server gives them
 * to another worker after that timeout. `StickyRescue` does the same from outside, with the
 * server's own API: it polls the queues that nobody polls any more, and fails what it gets
 * with the cause that Temporal has for it, so that the task is scheduled anew for everyone.
 *
 * And a workflow task that cancels an activity or a timer which has ended while the task was at
 * work breaks the execution for good: the server applies half of the task and then throws. A
 * production server takes such a task. `LateCancels` fails it before the server sees it, with the
 * cause for commands that came too late; the worker replays, and meets the end first. Nor does the
 * server miss the heartbeats of an activity that is to be cancelled: of one whose worker is gone,
 * `LateCancels` reports the cancellation.
 *
 * And it forgets an activity that is to be cancelled and fails in a way that would be retried: there
 * is no event, and the workflow waits for ever. `CancelledFailures` marks such a failure as one that
 * is not retried, which is what a production server makes of it.
 *
 * And it places an update before signals that its history has earlier, where both come in one task.
 * A replay cannot know that, and fails. `UpdatesLast` gives updates the place that a production
 * server gives them: behind all events of their task.
 */

export const LAUNCHER_CLASS = 'PerduraTestServer';

/** What it prints once it accepts connections; the port is the first group. */
export const LISTENING = /listening on 127\.0\.0\.1:(\d+)/;

/** Arguments: `<port> [--enable-time-skipping]`. Compiles with Java 11. */
export const LAUNCHER_SOURCE = `\
import com.google.protobuf.ByteString;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.temporal.api.enums.v1.QueryResultType;
import io.temporal.api.enums.v1.TaskQueueKind;
import io.temporal.api.enums.v1.WorkflowTaskFailedCause;
import io.temporal.api.history.v1.ActivityTaskScheduledEventAttributes;
import io.temporal.api.workflowservice.v1.PollWorkflowTaskQueueRequest;
import io.temporal.api.workflowservice.v1.PollWorkflowTaskQueueResponse;
import io.temporal.api.workflowservice.v1.RespondActivityTaskCanceledRequest;
import io.temporal.api.workflowservice.v1.RespondActivityTaskFailedRequest;
import io.temporal.api.workflowservice.v1.RespondQueryTaskCompletedRequest;
import io.temporal.api.workflowservice.v1.RespondWorkflowTaskCompletedRequest;
import io.temporal.api.workflowservice.v1.RespondWorkflowTaskFailedRequest;
import io.temporal.api.workflowservice.v1.WorkflowServiceGrpc;
import io.temporal.internal.testservice.GRPCServerHelper;
import io.temporal.internal.testservice.TestServicesStarter;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;

public final class ${LAUNCHER_CLASS} {
  public static void main(String[] args) throws Exception {
    boolean skipping = args.length > 1 && args[1].equals("--enable-time-skipping");
    TestServicesStarter services = new TestServicesStarter(!skipping, 0);
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(
            new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    GRPCServerHelper.registerServicesAndHealthChecks(services.getServices(), builder);
    StickyRescue rescue = new StickyRescue();
    builder.intercept(rescue);
    builder.intercept(new LateCancels(services.getWorkflowService()));
    builder.intercept(new CancelledFailures(services.getWorkflowService()));
    builder.intercept(new UpdatesLast());
    // Temporal's clients ping every 30 s; gRPC's default would cut them off for that.
    builder.permitKeepAliveTime(5, TimeUnit.SECONDS).permitKeepAliveWithoutCalls(true);
    Server server = builder.build();
    try {
      server.start();
    } catch (Exception failure) {
      // Threads of the services would keep the process alive without a server.
      System.err.println(failure + ": " + failure.getCause());
      System.exit(1);
    }
    rescue.start(server.getPort());
    System.out.println("listening on 127.0.0.1:" + server.getPort());
    server.awaitTermination();
  }

  /** Gives updates their place behind the other events of their task; see above. */
  static final class UpdatesLast implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      return next.startCall(
          new SimpleForwardingServerCall<Q, R>(call) {
            @Override
            @SuppressWarnings("unchecked")
            public void sendMessage(R message) {
              super.sendMessage(
                  message instanceof PollWorkflowTaskQueueResponse
                      ? (R) placed((PollWorkflowTaskQueueResponse) message)
                      : message);
            }
          },
          headers);
    }

    static PollWorkflowTaskQueueResponse placed(PollWorkflowTaskQueueResponse task) {
      int events = task.getHistory().getEventsCount();
      if (task.getMessagesCount() == 0 || events == 0) return task;
      // The last event is the start of the task. What the server calls its number is another one.
      long started = task.getHistory().getEvents(events - 1).getEventId();
      PollWorkflowTaskQueueResponse.Builder placed = task.toBuilder();
      for (int i = 0; i < task.getMessagesCount(); i++) {
        placed.getMessagesBuilder(i).setEventId(started - 1);
      }
      return placed.build();
    }
  }

  /** Fails workflow tasks that cancel what has ended meanwhile; see above. */
  static final class LateCancels implements ServerInterceptor {
    final Object service;
    final ConcurrentLinkedQueue<Cancelled> cancelled = new ConcurrentLinkedQueue<>();

    LateCancels(Object service) {
      this.service = service;
      StickyRescue.daemon(
          () -> {
            while (true) {
              Thread.sleep(500);
              cancelled.removeIf(Cancelled::over);
            }
          });
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      ServerCall.Listener<Q> listener = next.startCall(call, headers);
      if (!call.getMethodDescriptor()
          .getFullMethodName()
          .endsWith("/RespondWorkflowTaskCompleted")) {
        return listener;
      }
      return new SimpleForwardingServerCallListener<Q>(listener) {
        RespondWorkflowTaskCompletedRequest request;

        @Override
        public void onMessage(Q message) {
          request = (RespondWorkflowTaskCompletedRequest) message;
          super.onMessage(message);
        }

        @Override
        public void onHalfClose() {
          boolean cancels =
              request.getCommandsList().stream()
                  .anyMatch(
                      command ->
                          command.hasRequestCancelActivityTaskCommandAttributes()
                              || command.hasCancelTimerCommandAttributes());
          Object execution = cancels ? execution() : null;
          if (execution == null) {
            super.onHalfClose();
            return;
          }
          // The server takes this lock for each change: between the look and the task none comes.
          Lock lock = (Lock) Inside.field(execution, "lock");
          lock.lock();
          try {
            if (!tooLate(execution)) {
              super.onHalfClose();
              watch(execution);
              return;
            }
            fail(execution);
          } finally {
            lock.unlock();
          }
          // What a production server says of a task that has to be made anew.
          call.close(
              Status.INVALID_ARGUMENT.withDescription("UnhandledCommand"), new Metadata());
        }

        Object execution() {
          Object token = Inside.token("WorkflowTaskToken", request.getTaskToken());
          return token == null ? null : Inside.execution(service, token);
        }

        boolean tooLate(Object execution) {
          Map<?, ?> activities = (Map<?, ?>) Inside.field(execution, "activities");
          Map<?, ?> timers = (Map<?, ?>) Inside.field(execution, "timers");
          return request.getCommandsList().stream()
              .anyMatch(
                  command ->
                      command.hasRequestCancelActivityTaskCommandAttributes()
                              && !activities.containsKey(
                                  command
                                      .getRequestCancelActivityTaskCommandAttributes()
                                      .getScheduledEventId())
                          || command.hasCancelTimerCommandAttributes()
                              && !timers.containsKey(
                                  command.getCancelTimerCommandAttributes().getTimerId()));
        }

        /** Nobody may be left who could hear of it. */
        void watch(Object execution) {
          request.getCommandsList().stream()
              .filter(command -> command.hasRequestCancelActivityTaskCommandAttributes())
              .forEach(
                  command ->
                      cancelled.add(
                          new Cancelled(
                              execution,
                              command
                                  .getRequestCancelActivityTaskCommandAttributes()
                                  .getScheduledEventId())));
        }

        void fail(Object execution) {
          try {
            Method fail =
                execution
                    .getClass()
                    .getMethod("failWorkflowTask", RespondWorkflowTaskFailedRequest.class);
            fail.setAccessible(true);
            fail.invoke(
                execution,
                RespondWorkflowTaskFailedRequest.newBuilder()
                    .setNamespace(request.getNamespace())
                    .setTaskToken(request.getTaskToken())
                    .setIdentity(request.getIdentity())
                    .setCause(
                        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND)
                    .build());
          } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException(impossible);
          }
        }
      };
    }

    /** An activity whose cancellation was requested. */
    static final class Cancelled {
      final Object execution;
      final long scheduledEventId;

      Cancelled(Object execution, long scheduledEventId) {
        this.execution = execution;
        this.scheduledEventId = scheduledEventId;
      }

      /** Whether it needs no more watching. */
      boolean over() {
        Lock lock = (Lock) Inside.field(execution, "lock");
        lock.lock();
        try {
          Object activity = ((Map<?, ?>) Inside.field(execution, "activities")).get(scheduledEventId);
          if (activity == null) return true;
          Object data = Inside.field(activity, "data");
          ActivityTaskScheduledEventAttributes scheduled =
              (ActivityTaskScheduledEventAttributes) Inside.field(data, "scheduledEvent");
          long timeout = scheduled.getHeartbeatTimeout().getSeconds() * 1000;
          long silent = System.currentTimeMillis() - (Long) Inside.field(data, "lastHeartbeatTime");
          if (timeout == 0 || silent < timeout) return timeout == 0;
          Method cancel =
              execution
                  .getClass()
                  .getMethod(
                      "cancelActivityTask",
                      long.class,
                      RespondActivityTaskCanceledRequest.class);
          cancel.setAccessible(true);
          cancel.invoke(
              execution,
              scheduledEventId,
              RespondActivityTaskCanceledRequest.newBuilder()
                  .setIdentity("perdura-late-cancels")
                  .build());
          return true;
        } catch (ReflectiveOperationException | RuntimeException ended) {
          // It ended by itself at this moment.
          return true;
        } finally {
          lock.unlock();
        }
      }
    }
  }

  /** Marks failures of activities that are to be cancelled as final; see above. */
  static final class CancelledFailures implements ServerInterceptor {
    final Object service;

    CancelledFailures(Object service) {
      this.service = service;
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      ServerCall.Listener<Q> listener = next.startCall(call, headers);
      if (!call.getMethodDescriptor().getFullMethodName().endsWith("/RespondActivityTaskFailed")) {
        return listener;
      }
      return new SimpleForwardingServerCallListener<Q>(listener) {
        Q request;

        @Override
        public void onMessage(Q message) {
          request = message;
        }

        @Override
        public void onHalfClose() {
          RespondActivityTaskFailedRequest failed = (RespondActivityTaskFailedRequest) request;
          Object token = Inside.token("ActivityTaskToken", failed.getTaskToken());
          Object execution = token == null ? null : Inside.execution(service, token);
          if (execution == null) {
            pass(request);
            return;
          }
          Lock lock = (Lock) Inside.field(execution, "lock");
          lock.lock();
          try {
            pass(isCancelled(execution, token) ? finalOne(failed) : request);
          } finally {
            lock.unlock();
          }
        }

        void pass(Q message) {
          super.onMessage(message);
          super.onHalfClose();
        }

        boolean isCancelled(Object execution, Object token) {
          Object id = Inside.field(token, "scheduledEventId");
          Object activity = ((Map<?, ?>) Inside.field(execution, "activities")).get(id);
          return activity != null
              && Inside.field(activity, "state").toString().equals("CANCELLATION_REQUESTED");
        }

        @SuppressWarnings("unchecked")
        Q finalOne(RespondActivityTaskFailedRequest failed) {
          RespondActivityTaskFailedRequest.Builder builder = failed.toBuilder();
          builder.getFailureBuilder().getApplicationFailureInfoBuilder().setNonRetryable(true);
          return (Q) builder.build();
        }
      };
    }
  }

  /** What the server keeps to itself. */
  static final class Inside {
    static final String PACKAGE = "io.temporal.internal.testservice.";

    static Object token(String name, ByteString bytes) {
      try {
        Method fromBytes =
            Class.forName(PACKAGE + name).getDeclaredMethod("fromBytes", ByteString.class);
        fromBytes.setAccessible(true);
        return fromBytes.invoke(null, bytes);
      } catch (ReflectiveOperationException foreign) {
        // The server says itself what is wrong with it.
        return null;
      }
    }

    /** Of a token; null when it is gone, which the server says itself. */
    static Object execution(Object service, Object token) {
      try {
        Method id = token.getClass().getDeclaredMethod("getExecutionId");
        id.setAccessible(true);
        Method state =
            service
                .getClass()
                .getDeclaredMethod("getMutableState", Class.forName(PACKAGE + "ExecutionId"));
        state.setAccessible(true);
        return state.invoke(service, id.invoke(token));
      } catch (ReflectiveOperationException unknown) {
        return null;
      }
    }

    static Object field(Object of, String name) {
      try {
        Field field = of.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
      } catch (ReflectiveOperationException impossible) {
        throw new IllegalStateException(impossible);
      }
    }
  }

  /** Takes over for workers that are gone; see above. */
  static final class StickyRescue implements ServerInterceptor {
    static final String IDENTITY = "perdura-sticky-rescue";
    /** A worker polls again at once; one that has not for so long is gone, or too busy to ask. */
    static final long GONE_AFTER_MS = 1500;

    static final class Queue {
      final PollWorkflowTaskQueueRequest poll;
      int polls;
      long idleSince;
      Thread rescuer;

      Queue(PollWorkflowTaskQueueRequest poll) {
        this.poll = poll.toBuilder().setIdentity(IDENTITY).build();
      }
    }

    final Map<String, Queue> queues = new ConcurrentHashMap<>();
    WorkflowServiceGrpc.WorkflowServiceBlockingStub service;

    void start(int port) {
      ManagedChannel channel =
          NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
      service = WorkflowServiceGrpc.newBlockingStub(channel);
      daemon(
          () -> {
            while (true) {
              Thread.sleep(250);
              for (Queue queue : queues.values()) {
                synchronized (queue) {
                  long idle = System.currentTimeMillis() - queue.idleSince;
                  if (queue.polls == 0 && queue.rescuer == null && idle > GONE_AFTER_MS) {
                    queue.rescuer = daemon(() -> rescue(queue));
                  }
                }
              }
            }
          });
    }

    /** Gives away what comes to the queue, until its worker polls again. */
    void rescue(Queue queue) {
      while (true) {
        synchronized (queue) {
          if (queue.polls > 0) {
            queue.rescuer = null;
            return;
          }
        }
        try {
          PollWorkflowTaskQueueResponse task = service.pollWorkflowTaskQueue(queue.poll);
          if (task.getTaskToken().isEmpty()) continue;
          if (task.hasQuery()) {
            service.respondQueryTaskCompleted(
                RespondQueryTaskCompletedRequest.newBuilder()
                    .setNamespace(queue.poll.getNamespace())
                    .setTaskToken(task.getTaskToken())
                    .setCompletedType(QueryResultType.QUERY_RESULT_TYPE_FAILED)
                    .setErrorMessage("The worker that held the workflow is gone; ask again.")
                    .build());
            continue;
          }
          service.respondWorkflowTaskFailed(
              RespondWorkflowTaskFailedRequest.newBuilder()
                  .setNamespace(queue.poll.getNamespace())
                  .setTaskToken(task.getTaskToken())
                  .setIdentity(IDENTITY)
                  .setCause(
                      WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE)
                  .build());
        } catch (RuntimeException expected) {
          // A poll that ran out, or a task that someone else has ended.
          try {
            Thread.sleep(100);
          } catch (InterruptedException end) {
            return;
          }
        }
      }
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      ServerCall.Listener<Q> listener = next.startCall(call, headers);
      if (!call.getMethodDescriptor().getFullMethodName().endsWith("/PollWorkflowTaskQueue")) {
        return listener;
      }
      return new SimpleForwardingServerCallListener<Q>(listener) {
        Queue queue;

        @Override
        public void onMessage(Q message) {
          PollWorkflowTaskQueueRequest poll = (PollWorkflowTaskQueueRequest) message;
          if (poll.getTaskQueue().getKind() == TaskQueueKind.TASK_QUEUE_KIND_STICKY
              && !poll.getIdentity().equals(IDENTITY)) {
            queue =
                queues.computeIfAbsent(
                    poll.getNamespace() + "/" + poll.getTaskQueue().getName(),
                    name -> new Queue(poll));
            synchronized (queue) {
              queue.polls++;
            }
          }
          super.onMessage(message);
        }

        @Override
        public void onCancel() {
          end();
          super.onCancel();
        }

        @Override
        public void onComplete() {
          end();
          super.onComplete();
        }

        void end() {
          if (queue == null) return;
          synchronized (queue) {
            queue.polls--;
            queue.idleSince = System.currentTimeMillis();
          }
          queue = null;
        }
      };
    }

    interface Body {
      void run() throws InterruptedException;
    }

    static Thread daemon(Body body) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  body.run();
                } catch (InterruptedException end) {
                  Thread.currentThread().interrupt();
                }
              });
      thread.setDaemon(true);
      thread.start();
      return thread;
    }
  }
}
`;
