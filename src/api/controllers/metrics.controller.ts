import { Controller, Get, Header, Inject } from '@nestjs/common';
import { Metrics } from '../../platform/index.js';

/** For Prometheus, which must bring a token like everybody. */
@Controller('metrics')
export class MetricsController {
  constructor(@Inject(Metrics) private readonly metrics: Metrics) {}

  @Get()
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  text(): Promise<string> {
    return this.metrics.text();
  }
}
